// Old Faithful's archives: a CAR file of DAG-CBOR nodes, children before the block that links to them.
// docs/formats/recorded-blocks.md.
#include <osvm/ledger/error.hpp>
#include <osvm/solana/hashing.hpp>
#include <osvm/solana/meta.hpp>

#include <zstd.h>

#include <unordered_map>

#include "cbor.hpp"
#include "sources.hpp"

namespace osvm::ledger {
namespace {

enum node_kind : std::uint64_t {
  transaction_node = 0,
  entry_node = 1,
  block_node = 2,
  subset_node = 3,
  epoch_node = 4,
  rewards_node = 5,
  frame_node = 6,
};

constexpr std::size_t max_section = 32 << 20, max_pending = std::size_t{2} << 30, max_unpacked = 64 << 20;
constexpr std::string_view sha256_cid("\x01\x71\x12\x20", 4);  // version 1, DAG-CBOR, SHA-256, 32 bytes
constexpr std::size_t cid_size = 36;
constexpr int max_frame_depth = 64;
// Nodes may be linked to again and again: what one block may cost, however small its archive.
constexpr std::size_t max_frames = 1 << 20, max_block = 256 << 20;

struct block_budget {
  std::size_t frames = max_frames, bytes = max_block;

  result<> take_frame() {
    if (frames-- == 0) return error(osvm::errc::limit_exceeded, "CAR: a block of more than 2^20 data frames");
    return {};
  }
  result<> take_bytes(std::size_t n) {
    if (n > bytes) return error(osvm::errc::limit_exceeded, "CAR: a block above 256 MiB");
    bytes -= n;
    return {};
  }
};

error bad_car(const std::string& what) {
  return {osvm::errc::malformed, "CAR: " + what};
}

// zstd, or as it is.
result<std::string> unpack(std::string packed, block_budget& budget) {
  constexpr std::string_view magic("\x28\xb5\x2f\xfd", 4);
  if (!packed.starts_with(magic)) return packed;
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (!context) return error(osvm::errc::limit_exceeded, "no memory for zstd");
  std::string out;
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  while (in.pos < in.size) {
    const auto had = out.size();
    out.resize(had + ZSTD_DStreamOutSize());
    ZSTD_outBuffer to{out.data() + had, out.size() - had, 0};
    const auto left = ZSTD_decompressStream(context.get(), &to, &in);
    out.resize(had + to.pos);
    if (ZSTD_isError(left)) return bad_car("a node that zstd cannot read");
    if (out.size() > max_unpacked) return error(osvm::errc::limit_exceeded, "CAR: a node above 64 MiB");
    OSVM_CHECK(budget.take_bytes(to.pos));
    if (left == 0) break;
    if (in.pos == in.size && to.pos == 0) return bad_car("a node that ends within its compressed data");
  }
  return out;
}

// The message, or what the first epochs have in its place, as such a message.
template <class Parse, class Rewrite>
std::optional<std::string> readable(std::string message, Parse parse, Rewrite rewrite) {
  if (parse(as_bytes(message))) return message;
  auto rewritten = rewrite(as_bytes(message));
  return rewritten && parse(as_bytes(*rewritten)) ? std::optional(std::move(*rewritten)) : std::nullopt;
}

class car_source final : public block_source {
 public:
  car_source(opened_file file, block_format_limits limits)
      : in_(std::move(file.bytes)), file_(std::move(file)), limits_(limits) {}

  result<std::optional<recorded_block>> next() override {
    if (!std::exchange(begun_, true)) OSVM_CHECK(skip_header());
    while (true) {
      OSVM_TRY(const bool more, read_section());
      if (!more) return std::optional<recorded_block>{};
      OSVM_CHECK(verify());
      cbor_reader node(section_body());
      const auto items = node.list();
      if (!node.ok() || items == 0) continue;  // nodes of other kinds are passed over
      const auto kind = node.number();
      if (node.ok() && kind == block_node) {
        budget_ = {};
        auto b = read_block(node, items);
        nodes_.clear();
        pending_ = 0;
        if (!b) return error(b.error().code, file_.name + ": " + b.error().context);
        return std::optional(std::move(*b));
      }
      if (kind == subset_node || kind == epoch_node) continue;
      OSVM_CHECK(keep());
    }
  }
  std::uint64_t position() const noexcept override { return in_.position(); }
  std::uint64_t size() const noexcept override { return file_.size; }
  std::vector<std::string> remarks() const override {
    if (!unread_) return {};
    return {std::to_string(unread_) + " statuses and rewards that cannot be read, left out"};
  }

 private:
  result<std::optional<std::uint64_t>> read_length() {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
      char c;
      OSVM_TRY(const bool more, in_.read_or_end(&c, 1));
      if (!more && shift == 0) return std::optional<std::uint64_t>{};
      if (!more) return error(osvm::errc::truncated, "CAR: the file ends within a length");
      v |= std::uint64_t{static_cast<std::uint8_t>(c) & 0x7fU} << shift;
      if (!(c & 0x80)) return std::optional(v);
    }
    return bad_car("a length of too many bytes");
  }
  result<bool> read_section() {
    OSVM_TRY(const auto length, read_length());
    if (!length) return false;
    if (*length > max_section) return error(osvm::errc::limit_exceeded, "CAR: a node above 32 MiB");
    section_.resize(*length);
    OSVM_CHECK(in_.read(section_.data(), section_.size()));
    return true;
  }
  result<> skip_header() {
    OSVM_TRY(const bool more, read_section());
    if (!more) return bad_car("an empty file");
    if (section_.find("gversion") == section_.npos || section_.find("eroots") == section_.npos)
      return bad_car("a header without roots and version");
    return {};
  }
  std::string_view section_body() const {
    return std::string_view(section_).substr(std::min(cid_size, section_.size()));
  }
  // Every node's bytes must be what its CID says.
  result<> verify() const {
    const auto cid = std::string_view(section_).substr(0, std::min(cid_size, section_.size()));
    if (!cid.starts_with(sha256_cid) || cid.size() != cid_size)
      return bad_car("a node without a SHA-256 CID");
    const auto hash = solana::sha256(as_bytes(section_body()));
    if (std::memcmp(hash.data(), cid.data() + sha256_cid.size(), 32) != 0)
      return bad_car("a node whose bytes are not those of its CID");
    return {};
  }
  result<> keep() {
    pending_ += section_.size();
    if (pending_ > max_pending) return error(osvm::errc::limit_exceeded, "CAR: 2 GiB without a block");
    nodes_.insert_or_assign(section_.substr(0, cid_size), std::string(section_body()));
    return {};
  }
  result<std::string_view> find(std::string_view cid) const {
    const auto at = nodes_.find(std::string(cid));
    if (at == nodes_.end()) return bad_car("a link to a node that did not come before");
    return std::string_view(at->second);
  }

  // A DataFrame where it stands, and those that it links to.
  result<> read_frame(cbor_reader& in, std::string& out, int depth) {
    OSVM_CHECK(budget_.take_frame());
    const auto items = in.list();
    if (in.number() != frame_node || items < 5 || depth == 0) return bad_car("a malformed data frame");
    for (int i = 0; i < 3; ++i) in.skip();  // hash, index, total
    const auto part = in.bytes();
    OSVM_CHECK(budget_.take_bytes(part.size()));
    out += part;
    if (items < 6 || in.null()) return in.ok() ? result<>() : result<>(bad_car("a malformed data frame"));
    const auto links = in.list();
    for (std::uint64_t i = 0; i < links && in.ok(); ++i) {
      const auto cid = in.link();
      if (!in.ok()) break;
      OSVM_TRY(const auto body, find(cid));
      cbor_reader inside(body);
      OSVM_CHECK(read_frame(inside, out, depth - 1));
      if (out.size() > max_unpacked) return error(osvm::errc::limit_exceeded, "CAR: a node above 64 MiB");
    }
    return in.ok() ? result<>() : result<>(bad_car("a malformed data frame"));
  }

  result<recorded_transaction> read_transaction(std::string_view body) {
    cbor_reader in(body);
    recorded_transaction out;
    if (in.list() < 4 || in.number() != transaction_node) return bad_car("a link to what is no transaction");
    OSVM_CHECK(read_frame(in, out.wire, max_frame_depth));
    std::string packed;
    OSVM_CHECK(read_frame(in, packed, max_frame_depth));
    if (packed.empty()) return out;
    OSVM_TRY(auto meta, unpack(std::move(packed), budget_));
    out.meta = readable(std::move(meta), solana::parse_transaction_meta, solana::rewrite_old_meta);
    if (!out.meta) ++unread_;
    return out;
  }
  result<> read_entry(std::string_view body, recorded_block& out) {
    cbor_reader in(body);
    if (in.list() < 4 || in.number() != entry_node) return bad_car("a link to what is no entry");
    recorded_entry e{.num_hashes = in.number()};
    const auto hash = in.bytes();
    const auto links = in.list();
    if (!in.ok() || hash.size() != 32) return bad_car("a malformed entry");
    std::memcpy(e.hash.bytes.data(), hash.data(), 32);
    for (std::uint64_t i = 0; i < links; ++i, ++e.transactions) {
      const auto cid = in.link();
      if (!in.ok()) return bad_car("a malformed entry");
      OSVM_TRY(const auto node, find(cid));
      OSVM_TRY(auto tx, read_transaction(node));
      out.transactions.push_back(std::move(tx));
      if (out.transactions.size() > limits_.max_transactions)
        return error(osvm::errc::limit_exceeded, "a block of too many transactions");
    }
    out.entries.push_back(e);
    return {};
  }
  result<> read_rewards(std::string_view cid, recorded_block& out) {
    const auto node = find(cid);
    if (!node) return {};  // blocks without rewards link to nothing
    cbor_reader in(*node);
    if (in.list() < 3 || in.number() != rewards_node) return bad_car("a link to what are no rewards");
    in.number();
    std::string packed;
    OSVM_CHECK(read_frame(in, packed, max_frame_depth));
    OSVM_TRY(auto rewards, unpack(std::move(packed), budget_));
    out.rewards = readable(std::move(rewards), solana::parse_rewards, solana::rewrite_old_rewards);
    if (!out.rewards) ++unread_;
    return {};
  }
  result<recorded_block> read_block(cbor_reader& in, std::uint64_t items) {
    recorded_block out;
    if (items < 5) return bad_car("a malformed block");
    out.slot = in.number();
    in.skip();  // where shreds ended
    const auto entries = in.list();
    for (std::uint64_t i = 0; i < entries; ++i) {
      const auto cid = in.link();
      if (!in.ok()) return bad_car("a malformed block");
      OSVM_TRY(const auto node, find(cid));
      OSVM_CHECK(read_entry(node, out));
    }
    const auto facts = in.list();
    if (facts < 2) return bad_car("a malformed block");
    out.parent = in.number();
    if (const auto time = in.integer(); time != 0) out.time = time;
    for (std::uint64_t i = 2; i < facts && in.ok(); ++i) {
      if (i == 2 && !in.null())
        out.height = in.number();
      else if (i > 2)
        in.skip();
    }
    if (!in.ok() || out.entries.empty()) return bad_car("a malformed block");
    if (items > 5) OSVM_CHECK(read_rewards(in.link(), out));
    out.blockhash = out.entries.back().hash;
    return out;
  }

  counting_reader in_;
  opened_file file_;
  block_format_limits limits_;
  std::string section_;
  std::unordered_map<std::string, std::string> nodes_;  // CID to body, of the block that is coming
  std::size_t pending_ = 0;
  block_budget budget_;
  std::uint64_t unread_ = 0;
  bool begun_ = false;
};

}  // namespace

std::unique_ptr<block_source> make_car_source(opened_file file, block_format_limits limits) {
  return std::make_unique<car_source>(std::move(file), limits);
}

}  // namespace osvm::ledger
