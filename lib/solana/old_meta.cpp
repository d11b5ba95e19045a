// Statuses and rewards as validators stored them before protobuf, and as the archives of mainnet's first
// epochs hold them: bincode. They are rewritten as the messages that came after, as validators do on reading
// one.
//
// Primer: later releases put fields behind the last one, so a status may end behind any of them. Rewards and
// inner instructions lie in vectors whose elements say no length; which fields those have is found by trying,
// as the bytes must be used up exactly.
#include <osvm/solana/meta.hpp>
#include <osvm/solana/transaction.hpp>

#include "argument_reader.hpp"
#include "protobuf.hpp"

namespace osvm::solana {
namespace {

using protobuf::builder;

constexpr std::size_t max_bytes = 64 << 20;

struct shape {
  unsigned reward_fields = 5;  // 2 to 5: address, lamports, balance, kind, commission
  bool heights = false;        // inner instructions have their stack height
};

std::string_view text_of(bytes_view b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

void rewrite_rewards(argument_reader& in, unsigned known_fields, builder& to, std::uint32_t number) {
  for (auto n = in.count(16); n > 0 && in.ok(); --n) {
    std::string one;
    builder b(one);
    b.nonempty(1, in.string());
    b.nonzero(2, in.number<std::uint64_t>());
    if (known_fields > 2) b.nonzero(3, in.number<std::uint64_t>());
    if (known_fields > 3) {
      const auto kind = in.option<std::uint32_t>();
      if (kind && *kind > 3) return in.fail();
      if (kind) b.integer(4, *kind + 1);
    }
    if (known_fields > 4) {
      if (const auto commission = in.option<std::uint8_t>()) b.bytes(5, std::to_string(*commission));
    }
    to.bytes(number, one);
  }
}

class old_status {
 public:
  old_status(bytes_view bytes, shape how) : in_(bytes), how_(how) {}

  std::optional<std::string> run() {
    result_of_execution();
    to_.nonzero(2, in_.number<std::uint64_t>());
    balances(3);
    balances(4);
    if (present(10)) inner_instructions();
    if (present(11)) logs();
    for (const std::uint32_t number : {7U, 8U})
      if (present(0)) token_balances(number);
    if (present(0)) rewrite_rewards(in_, how_.reward_fields, to_, 9);
    if (present(15)) returned();
    for (const std::uint32_t number : {16U, 17U})
      if (present(0)) to_.integer(number, in_.number<std::uint64_t>());
    if (!in_.ok() || !in_.rest().empty()) return std::nullopt;
    return std::move(out_);
  }

 private:
  // Whether the next field is there: not when the row ends before it. `none` is the message's field for that.
  bool present(std::uint32_t none) {
    if (!in_.rest().empty() && in_.boolean()) return true;
    if (none && in_.ok()) to_.integer(none, 1);
    return false;
  }
  void result_of_execution() {
    const auto failed = in_.number<std::uint32_t>();
    if (failed > 1) return in_.fail();
    if (!failed) return;
    byte_reader rest(in_.rest());
    const auto e = read_transaction_error(rest);
    if (!e) return in_.fail();
    std::string message;
    builder(message).bytes(1, text_of(in_.take(rest.position())));
    to_.bytes(1, message);
  }
  void balances(std::uint32_t number) {
    std::string packed;
    builder b(packed);
    for (auto n = in_.count(8); n > 0; --n) b.varint(in_.number<std::uint64_t>());
    to_.nonempty(number, packed);
  }
  std::string_view short_bytes() {
    byte_reader rest(in_.rest());
    const auto n = read_compact_u16(rest);
    if (!n) return in_.fail(), std::string_view{};
    in_.take(rest.position());
    return text_of(in_.take(*n));
  }
  void inner_instructions() {
    for (auto n = in_.count(9); n > 0 && in_.ok(); --n) {
      std::string group;
      builder g(group);
      g.nonzero(1, in_.number<std::uint8_t>());
      for (auto m = in_.count(3); m > 0 && in_.ok(); --m) {
        std::string one;
        builder b(one);
        b.nonzero(1, in_.number<std::uint8_t>());
        b.nonempty(2, short_bytes());
        b.nonempty(3, short_bytes());
        if (how_.heights) {
          if (const auto height = in_.option<std::uint32_t>()) b.integer(4, *height);
        }
        g.bytes(2, one);
      }
      to_.bytes(5, group);
    }
  }
  void logs() {
    for (auto n = in_.count(8); n > 0 && in_.ok(); --n) to_.bytes(6, in_.string());
  }
  void token_balances(std::uint32_t number) {
    for (auto n = in_.count(26); n > 0 && in_.ok(); --n) {
      std::string one, amount;
      builder b(one), a(amount);
      b.nonzero(1, in_.number<std::uint8_t>());
      b.nonempty(2, in_.string());
      a.real(1, in_.number<double>());
      a.nonzero(2, in_.number<std::uint8_t>());
      a.nonempty(3, in_.string());
      b.bytes(3, amount);
      to_.bytes(number, one);
    }
  }
  void returned() {
    std::string message;
    builder b(message);
    b.bytes(1, text_of(in_.take(pubkey::size)));
    b.nonempty(2, in_.string());
    to_.bytes(14, message);
  }

  argument_reader in_;
  shape how_;
  std::string out_;
  builder to_{out_};
};

}  // namespace

result<std::string> rewrite_old_meta(bytes_view bincode) {
  if (bincode.size() > max_bytes) return error(osvm::errc::limit_exceeded, "a status of more than 64 MiB");
  for (const bool heights : {false, true})
    for (unsigned fields = 5; fields >= 2; --fields)
      if (auto message = old_status(bincode, {fields, heights}).run()) return std::move(*message);
  return error(osvm::errc::malformed, "transaction status: neither protobuf nor bincode");
}

result<std::string> rewrite_old_rewards(bytes_view bincode) {
  if (bincode.size() > max_bytes) return error(osvm::errc::limit_exceeded, "rewards of more than 64 MiB");
  for (unsigned fields = 5; fields >= 2; --fields) {
    argument_reader in(bincode);
    std::string message;
    builder to(message);
    rewrite_rewards(in, fields, to, 1);
    if (in.ok() && in.rest().empty()) return message;
  }
  return error(osvm::errc::malformed, "rewards: neither protobuf nor bincode");
}

}  // namespace osvm::solana
