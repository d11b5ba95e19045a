// A capture of a Geyser stream: Yellowstone's SubscribeUpdate messages, each behind its length. What belongs
// to one slot arrives in pieces and not in order. docs/formats/recorded-blocks.md.
#include <osvm/ledger/error.hpp>
#include <osvm/solana/meta.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "protobuf_block.hpp"
#include "solana/protobuf.hpp"
#include "sources.hpp"

namespace osvm::ledger {
namespace {

using solana::protobuf::fields;

constexpr std::size_t max_frame = 256 << 20, max_slots = 4096, max_unfinished = std::size_t{4} << 30;
// A slot is given out once the stream is so far ahead that nothing more comes for it.
constexpr slot_t settled_after = 64;
// Where a stream has finality, slots wait for it, but not for ever.
constexpr std::size_t max_waiting = max_slots / 2;

struct piece {
  std::uint64_t num_hashes = 0, transactions = 0;
  solana::hash hash{};
};

struct pending_slot {
  recorded_block block;
  bool described = false;  // its block or block meta has come
  bool dead = false;
  bool linked = false;    // its parent is known
  std::size_t bytes = 0;  // of what is kept here
  std::uint64_t executed = 0, entries_count = 0;
  std::map<std::uint64_t, recorded_transaction> transactions;
  std::map<std::uint64_t, piece> entries;
};

class geyser_source final : public block_source {
 public:
  geyser_source(opened_file file, block_format_limits limits)
      : in_(std::move(file.bytes)), file_(std::move(file)), limits_(limits) {}

  result<std::optional<recorded_block>> next() override {
    while (true) {
      if (!slots_.empty() && (ended_ || is_settled(slots_.begin()->first))) {
        const bool left_out = is_left_out(slots_.begin()->first);
        auto node = slots_.extract(slots_.begin());
        given_ = std::max(given_, node.key() + 1);
        pending_ -= node.mapped().bytes;
        if (left_out) continue;
        if (auto b = finish(std::move(node.mapped()))) return b;
        continue;
      }
      if (ended_) return std::optional<recorded_block>{};
      OSVM_CHECK(read_frame());
    }
  }
  std::uint64_t position() const noexcept override { return in_.position(); }
  std::uint64_t size() const noexcept override { return file_.size; }
  std::vector<std::string> remarks() const override {
    std::vector<std::string> out;
    auto note = [&](std::uint64_t n, const char* what) {
      if (n) out.push_back(std::to_string(n) + what);
    };
    note(dead_, " slots that died");
    note(forks_, " slots of forks that did not become final, left out");
    note(unfinal_, " slots that were not final when the stream ended, kept as such");
    note(undescribed_, " slots without a block message, left out");
    note(late_, " messages for slots long past");
    note(other_, " messages of other kinds");
    return out;
  }

 private:
  bool is_settled(slot_t slot) const {
    if (slot + settled_after >= newest_) return false;
    return !finalized_ || *finalized_ >= slot || slots_.size() > max_waiting;
  }
  // A slot that is no ancestor of the highest final one; of streams without finality, of the highest
  // described one. Where a link of the chain is missing nobody can tell, and the slot stays.
  bool is_left_out(slot_t slot) {
    if (slots_.begin()->second.dead || !slots_.begin()->second.described) return false;  // finish() says so
    auto at = finalized_ && *finalized_ >= slot ? *finalized_ : highest_described();
    while (at > slot) {
      const auto it = slots_.find(at);
      if (it == slots_.end() || !it->second.linked || it->second.block.parent >= at) return false;
      at = it->second.block.parent;
    }
    if (at != slot) return ++forks_, true;
    return false;
  }
  slot_t highest_described() const {
    for (auto it = slots_.rbegin(); it != slots_.rend(); ++it)
      if (it->second.described && !it->second.dead) return it->first;
    return 0;
  }
  // `n` bytes more are kept for the slot, `before` no longer.
  result<> charge(pending_slot& to, std::size_t n, std::size_t before) {
    to.bytes += n, to.bytes -= before;
    pending_ += n, pending_ -= before;
    if (pending_ > max_unfinished) return error(osvm::errc::limit_exceeded, "4 GiB of unfinished slots");
    return {};
  }
  static std::size_t size_of(const recorded_transaction& t) {
    return sizeof t + t.wire.size() + (t.meta ? t.meta->size() : 0);
  }

  result<> read_frame() {
    std::uint32_t length;
    OSVM_TRY(const bool more, in_.read_or_end(reinterpret_cast<char*>(&length), sizeof length));
    if (!more) return ended_ = true, result<>();
    length = __builtin_bswap32(length);
    if (length > max_frame)
      return error(osvm::errc::limit_exceeded, file_.name + ": a message above 256 MiB");
    frame_.resize(length);
    const auto at = in_.position();
    OSVM_CHECK(in_.read(frame_.data(), frame_.size()));
    const auto done = read_update();
    if (!done)
      return error(done.error().code,
                   file_.name + ": message at " + std::to_string(at) + ": " + done.error().context);
    return {};
  }

  result<> read_update() {
    fields f(as_bytes(frame_));
    while (f.next()) {
      switch (f.number()) {
        case 3: OSVM_CHECK(read_slot(f.bytes())); break;
        case 4: OSVM_CHECK(read_transaction_update(f.bytes())); break;
        case 5: OSVM_CHECK(read_block(f.bytes(), true)); break;
        case 7: OSVM_CHECK(read_block(f.bytes(), false)); break;
        case 8: OSVM_CHECK(read_entry(f.bytes(), nullptr)); break;
        case 2:
        case 10: ++other_; break;
        default: break;  // filters, time stamps, pings
      }
    }
    return f.status("update");
  }

  // The slot's place, unless it is over.
  result<pending_slot*> find(slot_t slot) {
    if (slot < given_) return ++late_, static_cast<pending_slot*>(nullptr);
    newest_ = std::max(newest_, slot);
    if (slots_.size() > max_slots) return error(osvm::errc::limit_exceeded, "too many slots at once");
    auto& out = slots_[slot];
    out.block.slot = slot;
    return &out;
  }

  result<> read_slot(bytes_view message) {
    constexpr std::uint64_t finalized = 2, dead = 6;
    slot_t slot = 0, status = 0;
    std::optional<slot_t> parent;
    fields f(message);
    while (f.next()) {
      if (f.number() == 1) slot = f.integer();
      if (f.number() == 2) parent = f.integer();
      if (f.number() == 3) status = f.integer();
    }
    OSVM_CHECK(f.status("slot"));
    OSVM_TRY(auto* to, find(slot));
    if (!to) return {};
    to->dead |= status == dead;
    if (status == finalized) finalized_ = std::max(finalized_.value_or(0), slot);
    if (parent) to->linked = true;
    if (parent && !to->described) to->block.parent = *parent;
    return {};
  }

  result<> read_info(bytes_view message, pending_slot& to) {
    recorded_transaction tx;
    std::uint64_t index = 0;
    fields f(message);
    while (f.next()) {
      if (f.number() == 3) {
        OSVM_TRY(tx.wire, read_protobuf_transaction(f.bytes()));
      }
      if (f.number() == 4) tx.meta = std::string(f.text());
      if (f.number() == 5) index = f.integer();
    }
    OSVM_CHECK(f.status("transaction"));
    if (index >= limits_.max_transactions)
      return error(osvm::errc::limit_exceeded, "a block of too many transactions");
    if (tx.wire.empty()) return {};
    const auto old = to.transactions.find(index);
    OSVM_CHECK(charge(to, size_of(tx), old == to.transactions.end() ? 0 : size_of(old->second)));
    to.transactions.insert_or_assign(index, std::move(tx));
    return {};
  }
  result<> read_transaction_update(bytes_view message) {
    bytes_view info;
    slot_t slot = 0;
    fields f(message);
    while (f.next()) {
      if (f.number() == 1) info = f.bytes();
      if (f.number() == 2) slot = f.integer();
    }
    OSVM_CHECK(f.status("transaction update"));
    OSVM_TRY(auto* to, find(slot));
    return to ? read_info(info, *to) : result<>();
  }

  result<> read_entry(bytes_view message, pending_slot* to) {
    piece e;
    slot_t slot = 0;
    std::uint64_t index = 0;
    fields f(message);
    while (f.next()) {
      switch (f.number()) {
        case 1: slot = f.integer(); break;
        case 2: index = f.integer(); break;
        case 3: e.num_hashes = f.integer(); break;
        case 4: {
          OSVM_TRY(e.hash, solana::hash::read(f.bytes()));
          break;
        }
        case 5: e.transactions = f.integer(); break;
        default: break;
      }
    }
    OSVM_CHECK(f.status("entry"));
    if (!to) {
      OSVM_TRY(to, find(slot));
    }
    if (to && to->entries.insert_or_assign(index, e).second) return charge(*to, sizeof e, 0);
    return {};
  }

  static slot_t slot_of(bytes_view message) {
    fields f(message);
    while (f.next())
      if (f.number() == 1) return f.integer();
    return 0;
  }
  // What SubscribeUpdateBlock and SubscribeUpdateBlockMeta share has the same numbers up to the height.
  result<> read_block(bytes_view message, bool whole) {
    OSVM_TRY(auto* to, find(slot_of(message)));
    if (!to) return {};
    auto& b = to->block;
    fields f(message);
    while (f.next()) {
      switch (f.number()) {
        case 1: break;
        case 2: {
          OSVM_TRY(b.blockhash, solana::hash::parse(f.text()));
          break;
        }
        case 3:
          OSVM_CHECK(charge(*to, f.text().size(), b.rewards ? b.rewards->size() : 0));
          b.rewards = std::string(f.text());
          break;
        case 4: {
          OSVM_TRY(const auto v, read_wrapped_number(f.bytes()));
          b.time = static_cast<std::int64_t>(v);
          break;
        }
        case 5: {
          OSVM_TRY(b.height, read_wrapped_number(f.bytes()));
          break;
        }
        default: OSVM_CHECK(whole ? read_block_field(f, *to) : read_meta_field(f, *to));
      }
    }
    OSVM_CHECK(f.status("block"));
    to->described = to->linked = true;
    return {};
  }
  result<> read_block_field(const fields& f, pending_slot& to) {
    switch (f.number()) {
      case 6: return read_info(f.bytes(), to);
      case 7: to.block.parent = f.integer(); break;
      case 8: return read_parent_hash(f.text(), to);
      case 9: to.executed = f.integer(); break;
      case 12: to.entries_count = f.integer(); break;
      case 13: return read_entry(f.bytes(), &to);
      default: break;
    }
    return {};
  }
  result<> read_meta_field(const fields& f, pending_slot& to) {
    switch (f.number()) {
      case 6: to.block.parent = f.integer(); break;
      case 7: return read_parent_hash(f.text(), to);
      case 8: to.executed = f.integer(); break;
      case 9: to.entries_count = f.integer(); break;
      default: break;
    }
    return {};
  }
  static result<> read_parent_hash(std::string_view text, pending_slot& to) {
    OSVM_TRY(to.block.previous_blockhash, solana::hash::parse(text));
    return {};
  }

  std::optional<recorded_block> finish(pending_slot&& s) {
    auto& b = s.block;
    if (s.dead) return ++dead_, std::nullopt;
    if (!s.described) return ++undescribed_, std::nullopt;
    b.final = !finalized_ || *finalized_ >= b.slot;
    if (!b.final) ++unfinal_;
    b.whole = s.transactions.size() == s.executed;
    b.missing_transactions = s.executed - std::min<std::uint64_t>(s.executed, s.transactions.size());
    if (!b.whole) return std::move(b);
    for (auto& [index, t] : s.transactions) b.transactions.push_back(std::move(t));
    std::uint64_t counted = 0;
    for (const auto& [index, e] : s.entries) {
      counted += e.transactions;
      b.entries.push_back({e.num_hashes, e.hash, static_cast<std::uint32_t>(e.transactions)});
    }
    // Entries of which some are missing prove nothing.
    const bool proven = s.entries.size() == s.entries_count && counted == b.transactions.size() &&
                        !b.entries.empty() && b.entries.back().hash == b.blockhash;
    if (!proven) b.entries.clear();
    return std::move(b);
  }

  counting_reader in_;
  opened_file file_;
  block_format_limits limits_;
  std::string frame_;
  std::map<slot_t, pending_slot> slots_;
  slot_t newest_ = 0, given_ = 0;
  std::size_t pending_ = 0;
  std::optional<slot_t> finalized_;  // the highest one that the stream called final
  std::uint64_t dead_ = 0, forks_ = 0, unfinal_ = 0, undescribed_ = 0, late_ = 0, other_ = 0;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<block_source> make_geyser_source(opened_file file, block_format_limits limits) {
  return std::make_unique<geyser_source>(std::move(file), limits);
}

}  // namespace osvm::ledger
