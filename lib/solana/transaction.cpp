#include <osvm/solana/ed25519.hpp>
#include <osvm/solana/programs.hpp>
#include <osvm/solana/transaction.hpp>

#include <algorithm>

namespace osvm::solana {
namespace {

// Reads with a sticky failure: a long sequence of fields is checked once at its end. Errors are rare and made
// late.
class wire_reader {
 public:
  explicit wire_reader(bytes_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()), begin_(at_) {}

  std::uint8_t u8() noexcept {
    if (at_ == end_) return fail();
    return std::to_integer<std::uint8_t>(*at_++);
  }
  template <class T>
  T number() noexcept {
    T v{};
    if (const auto b = take(sizeof(T)); b.size() == sizeof(T)) std::memcpy(&v, b.data(), sizeof(T));
    return v;
  }
  bytes_view take(std::size_t n) noexcept {
    if (n > static_cast<std::size_t>(end_ - at_)) return fail(), bytes_view{};
    const bytes_view out(at_, n);
    at_ += n;
    return out;
  }
  std::span<const std::uint8_t> indexes(std::size_t n) noexcept { return view_as<std::uint8_t>(take(n)); }
  std::uint16_t compact() noexcept {
    std::uint32_t v = u8();
    if (v < 0x80) return static_cast<std::uint16_t>(v);
    const std::uint32_t second = u8();
    v = (v & 0x7f) | (second & 0x7f) << 7;
    if (second < 0x80) return second ? static_cast<std::uint16_t>(v) : refuse();
    const std::uint32_t third = u8();
    if (third == 0 || third > 3) return refuse();
    return static_cast<std::uint16_t>(v | third << 14);
  }
  std::uint8_t fail() noexcept { return short_ = true, at_ = end_, std::uint8_t{0}; }
  std::uint16_t refuse() noexcept { return bad_ = true, at_ = end_, std::uint16_t{0}; }

  bool failed() const noexcept { return short_ || bad_; }
  std::size_t position() const noexcept { return static_cast<std::size_t>(at_ - begin_); }
  std::size_t remaining() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  const std::byte* here() const noexcept { return at_; }
  result<> status(const char* what) const {
    if (bad_) return error(osvm::errc::malformed, std::string(what) + ": not a canonical compact-u16");
    if (short_) return error(osvm::errc::truncated, std::string(what) + " ends too early");
    return {};
  }

 private:
  const std::byte *at_, *end_, *begin_;
  bool short_ = false, bad_ = false;
};

void read_instructions(wire_reader& in, std::vector<instruction_view>& out) {
  const std::size_t count = in.compact();
  out.clear();
  out.reserve(std::min<std::size_t>(count, in.remaining() / 3));  // each takes three bytes at least
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    auto& ix = out.emplace_back();
    ix.program_index = in.u8();
    ix.accounts = in.indexes(in.compact());
    ix.data = in.take(in.compact());
  }
}

void read_lookups(wire_reader& in, std::vector<lookup_view>& out) {
  const std::size_t count = in.compact();
  out.clear();
  out.reserve(std::min<std::size_t>(count, in.remaining() / 34));
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    auto& l = out.emplace_back();
    l.table = view_as<pubkey>(in.take(32)).data();
    l.writable = in.indexes(in.compact());
    l.readonly = in.indexes(in.compact());
  }
}

message_header read_header(wire_reader& in) {
  const auto b = in.indexes(3);
  return b.empty() ? message_header{} : message_header{b[0], b[1], b[2]};
}

void read_classic(wire_reader& in, message_view& out) {
  out.header = read_header(in);
  out.keys = view_as<pubkey>(in.take(std::size_t{in.compact()} * 32));
  out.blockhash = view_as<hash>(in.take(32)).data();
  read_instructions(in, out.instructions);
  out.lookups.clear();
  if (out.version == message_version::v0) read_lookups(in, out.lookups);
}

// SIMD-0385: header, configuration mask, blockhash, two counts, addresses, configuration words, instruction
// headers, then all payloads.
result<> read_v1(wire_reader& in, message_view& out) {
  out.header = read_header(in);
  out.config = {.mask = in.number<std::uint32_t>()};
  out.blockhash = view_as<hash>(in.take(32)).data();
  const std::size_t instructions = in.u8(), addresses = in.u8();
  if (instructions > 64 || addresses > 64)
    return error(osvm::errc::malformed, "version 1 message: more than 64 instructions or addresses");
  const std::uint32_t mask = out.config.mask;
  if ((mask & ~0x1fU) || (mask & 3) == 1 || (mask & 3) == 2)
    return error(osvm::errc::malformed, "version 1 message: unknown configuration mask");
  out.keys = view_as<pubkey>(in.take(addresses * 32));
  if (mask & 3) out.config.priority_fee = in.number<std::uint64_t>();
  if (mask & 4) out.config.compute_unit_limit = in.number<std::uint32_t>();
  if (mask & 8) out.config.loaded_accounts_limit = in.number<std::uint32_t>();
  if (mask & 16) out.config.heap_size = in.number<std::uint32_t>();
  const auto headers = in.indexes(instructions * 4);
  out.instructions.clear();
  out.lookups.clear();
  for (std::size_t i = 0; i < instructions && !in.failed(); ++i) {
    const auto h = headers.subspan(i * 4, 4);
    auto& ix = out.instructions.emplace_back();
    ix.program_index = h[0];
    ix.accounts = in.indexes(h[1]);
    ix.data = in.take(static_cast<std::size_t>(h[2] | h[3] << 8));
  }
  return {};
}

result<> read_message(wire_reader& in, message_view& out) {
  const std::byte* start = in.here();
  const std::size_t from = in.position();
  if (in.remaining() == 0) return error(osvm::errc::truncated, "no message");
  const auto first = std::to_integer<std::uint8_t>(*start);
  out.version = message_version::legacy;
  out.config = {};
  if (first & 0x80) {
    in.u8();
    if (first > 0x81)
      return error(osvm::errc::malformed, "unknown message version " + std::to_string(first & 0x7f));
    out.version = first == 0x80 ? message_version::v0 : message_version::v1;
  }
  if (out.version == message_version::v1) {
    OSVM_CHECK(read_v1(in, out));
  } else {
    read_classic(in, out);
  }
  OSVM_CHECK(in.status("message"));
  out.bytes = {start, in.position() - from};
  return {};
}

}  // namespace

std::size_t message_view::loaded_writable() const noexcept {
  std::size_t n = 0;
  for (const auto& l : lookups) n += l.writable.size();
  return n;
}

std::size_t message_view::loaded_readonly() const noexcept {
  std::size_t n = 0;
  for (const auto& l : lookups) n += l.readonly.size();
  return n;
}

bool message_view::is_writable_by_header(std::size_t index) const noexcept {
  if (index < header.required_signatures) return index + header.readonly_signed < header.required_signatures;
  return index + header.readonly_unsigned < keys.size();
}

result<> parse_transaction(bytes_view wire, transaction_view& out, transaction_limits limits) {
  wire_reader in(wire.first(std::min(wire.size(), limits.max_size)));
  const bool cut = wire.size() > limits.max_size;
  const bool v1 = !wire.empty() && wire[0] == std::byte{0x81};
  result<> done;
  if (v1) {  // the message is first, and its header counts the signatures
    done = read_message(in, out.message);
    if (done)
      out.signatures = view_as<signature>(in.take(std::size_t{out.message.header.required_signatures} * 64));
  } else {
    out.signatures = view_as<signature>(in.take(std::size_t{in.compact()} * 64));
    done = in.failed() ? in.status("signatures") : read_message(in, out.message);
    if (done && out.message.version == message_version::v1)
      return error(osvm::errc::malformed, "a version 1 message stands before its signatures");
  }
  if (done) done = in.status("transaction");
  if (!done) {
    if (cut && done.error().code == osvm::errc::truncated)
      return error(osvm::errc::limit_exceeded,
                   "a transaction has at most " + std::to_string(limits.max_size) + " bytes");
    return done;
  }
  out.size = in.position();
  return {};
}

result<message_view> parse_message(bytes_view bytes) {
  wire_reader in(bytes);
  message_view out;
  OSVM_CHECK(read_message(in, out));
  if (in.remaining()) return error(osvm::errc::malformed, "bytes behind the message");
  return out;
}

result<> sanitize(const transaction_view& tx) {
  const auto& m = tx.message;
  const auto bad = [](const char* what) { return error(osvm::errc::malformed, what); };
  if (tx.signatures.size() != m.header.required_signatures)
    return bad("signature count differs from the header's");
  if (m.header.required_signatures == 0 || m.header.readonly_signed >= m.header.required_signatures)
    return bad("no writable signer pays the fee");
  if (std::size_t{m.header.required_signatures} + m.header.readonly_unsigned > m.keys.size())
    return bad("the header counts more keys than there are");
  const std::size_t total = m.keys.size() + m.loaded_writable() + m.loaded_readonly();
  if (total > 256) return bad("more than 256 keys");
  for (const auto& l : m.lookups)
    if (l.writable.empty() && l.readonly.empty()) return bad("a lookup table without indexes");
  for (const auto& ix : m.instructions) {
    if (ix.program_index == 0 || ix.program_index >= m.keys.size())
      return bad("a program index out of range");
    for (const auto a : ix.accounts)
      if (a >= total) return bad("an account index out of range");
  }
  return {};
}

bool verify_signatures(const transaction_view& tx) {
  if (tx.signatures.size() > tx.message.keys.size()) return false;
  for (std::size_t i = 0; i < tx.signatures.size(); ++i)
    if (!verify(tx.signatures[i], tx.message.keys[i], tx.message.bytes)) return false;
  return !tx.signatures.empty();
}

bool is_simple_vote(const transaction_view& tx) noexcept {
  const auto& m = tx.message;
  if (tx.signatures.empty() || tx.signatures.size() > 2 || m.version != message_version::legacy ||
      m.instructions.size() != 1)
    return false;
  const auto program = m.instructions[0].program_index;
  return program < m.keys.size() && m.keys[program] == programs::vote;
}

result<std::uint16_t> read_compact_u16(byte_reader& in) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 3; ++i) {
    OSVM_TRY(const auto b, in.read<std::uint8_t>());
    if ((i && b == 0) || (i == 2 && b > 3))
      return error(osvm::errc::malformed, "not a canonical compact-u16");
    value |= std::uint32_t{b & 0x7fU} << (7 * i);
    if (b < 0x80) break;
  }
  return static_cast<std::uint16_t>(value);
}

void append_compact_u16(std::string& out, std::uint16_t value) {
  unsigned v = value;
  for (; v >= 0x80; v >>= 7) out.push_back(static_cast<char>(v | 0x80));
  out.push_back(static_cast<char>(v));
}

}  // namespace osvm::solana
