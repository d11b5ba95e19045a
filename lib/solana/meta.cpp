#include <osvm/solana/meta.hpp>

#include "protobuf.hpp"

namespace osvm::solana {
namespace {

using protobuf::fields;

// One message may not make more elements than this: two wire bytes each could otherwise become hundreds in
// memory.
constexpr std::size_t max_elements = 1 << 20;
constexpr std::size_t max_message = 64 << 20;

class meta_parser {
 public:
  meta_parser(bytes_view message, transaction_meta& out) : in_(message), out_(out) { clear(); }

  result<> run() {
    bool inner_none = false, logs_none = false, returned_none = false;
    while (ok_ && in_.next()) {
      switch (in_.number()) {
        case 10: inner_none = in_.integer() != 0; break;
        case 11: logs_none = in_.integer() != 0; break;
        case 15: returned_none = in_.integer() != 0; break;
        case 1: OSVM_CHECK(read_error()); break;
        default: read_field();
      }
    }
    if (elements_ > max_elements)
      return error(osvm::errc::limit_exceeded, "a status names more than 2^20 things");
    if (!ok_) return error(osvm::errc::malformed, "transaction status: not a protobuf message");
    OSVM_CHECK(in_.status("transaction status"));
    if (inner_none) out_.inner.reset();
    if (logs_none) out_.logs.reset();
    if (returned_none) out_.returned.reset();
    return {};
  }

 private:
  void clear() {
    out_.err.reset();
    out_.fee = 0;
    out_.pre_balances.clear(), out_.post_balances.clear();
    out_.inner ? out_.inner->clear() : void(out_.inner.emplace());
    out_.logs ? out_.logs->clear() : void(out_.logs.emplace());
    out_.pre_token_balances.clear(), out_.post_token_balances.clear();
    out_.rewards.clear();
    out_.loaded_writable.clear(), out_.loaded_readonly.clear();
    out_.returned.reset();
    out_.compute_units.reset(), out_.cost_units.reset();
  }
  result<> read_error() {
    fields e(in_.bytes());
    while (e.next())
      if (e.number() == 1) {
        OSVM_TRY(out_.err, parse_transaction_error(e.bytes()));
      }
    return e.status("transaction error");
  }

  void read_field() {
    switch (in_.number()) {
      case 2: out_.fee = in_.integer(); break;
      case 3: integers(out_.pre_balances); break;
      case 4: integers(out_.post_balances); break;
      case 5: count(), read_inner(out_.inner->emplace_back()); break;
      case 6: count(), out_.logs->push_back(in_.text()); break;
      case 7: count(), read_balance(out_.pre_token_balances.emplace_back()); break;
      case 8: count(), read_balance(out_.post_token_balances.emplace_back()); break;
      case 9: count(), ok_ &= read_reward(in_.bytes(), out_.rewards.emplace_back()); break;
      case 12: read_key(out_.loaded_writable); break;
      case 13: read_key(out_.loaded_readonly); break;
      case 14: read_returned(); break;
      case 16: out_.compute_units = in_.integer(); break;
      case 17: out_.cost_units = in_.integer(); break;
      default: break;
    }
  }

  void count() { ok_ &= ++elements_ <= max_elements; }
  void integers(std::vector<std::uint64_t>& to) {
    in_.integers([&](std::uint64_t v) {
      count();
      if (ok_) to.push_back(v);
    });
  }
  void read_key(std::vector<pubkey>& to) {
    count();
    const auto key = pubkey::read(in_.bytes());
    ok_ &= key && in_.bytes().size() == 32;
    if (ok_) to.push_back(*key);
  }

  void read_inner(inner_instructions& to) {
    fields f(in_.bytes());
    while (ok_ && f.next()) {
      if (f.number() == 1) to.index = static_cast<std::uint32_t>(f.integer());
      if (f.number() != 2) continue;
      count();
      auto& ix = to.instructions.emplace_back();
      fields i(f.bytes());
      while (i.next()) {
        if (i.number() == 1) ix.program_index = static_cast<std::uint32_t>(i.integer());
        if (i.number() == 2)
          ix.accounts = std::span(reinterpret_cast<const std::uint8_t*>(i.bytes().data()), i.bytes().size());
        if (i.number() == 3) ix.data = i.bytes();
        if (i.number() == 4) ix.stack_height = static_cast<std::uint32_t>(i.integer());
      }
      ok_ &= i.ok();
    }
    ok_ &= f.ok();
  }

  void read_balance(token_balance& to) {
    fields f(in_.bytes());
    while (f.next()) {
      switch (f.number()) {
        case 1: to.account_index = static_cast<std::uint32_t>(f.integer()); break;
        case 2: to.mint = f.text(); break;
        case 3: read_amount(f.bytes(), to); break;
        case 4: to.owner = f.text(); break;
        case 5: to.program_id = f.text(); break;
        default: break;
      }
    }
    ok_ &= f.ok();
  }
  void read_amount(bytes_view message, token_balance& to) {
    fields f(message);
    while (f.next()) {
      if (f.number() == 1) to.ui_amount = f.real();
      if (f.number() == 2) to.decimals = static_cast<std::uint32_t>(f.integer());
      if (f.number() == 3) to.amount = f.text();
      if (f.number() == 4) to.ui_amount_string = f.text();
    }
    ok_ &= f.ok();
  }
  void read_returned() {
    out_.returned.emplace();
    fields f(in_.bytes());
    while (f.next()) {
      if (f.number() == 1) out_.returned->program_id = f.bytes();
      if (f.number() == 2) out_.returned->data = f.bytes();
    }
    ok_ &= f.ok();
  }

 public:
  static bool read_reward(bytes_view message, reward& to) {
    fields f(message);
    while (f.next()) {
      switch (f.number()) {
        case 1: to.address = f.text(); break;
        case 2: to.lamports = static_cast<std::int64_t>(f.integer()); break;
        case 3: to.post_balance = f.integer(); break;
        case 4:
          to.type = f.integer() <= 5 ? static_cast<reward_type>(f.integer()) : reward_type::unspecified;
          break;
        case 5: to.commission = f.text(); break;
        case 6: to.commission_bps = f.text(); break;
        default: break;
      }
    }
    return f.ok();
  }

 private:
  fields in_;
  transaction_meta& out_;
  std::size_t elements_ = 0;
  bool ok_ = true;
};

}  // namespace

std::string_view to_string(reward_type t) noexcept {
  static constexpr std::string_view names[] = {"", "Fee", "Rent", "Staking", "Voting", "DeactivatedStake"};
  return names[static_cast<std::size_t>(t)];
}

result<> read_transaction_meta(bytes_view protobuf, transaction_meta& out) {
  if (protobuf.size() > max_message) return error(osvm::errc::limit_exceeded, "a status of more than 64 MiB");
  return meta_parser(protobuf, out).run();
}

result<transaction_meta> parse_transaction_meta(bytes_view protobuf) {
  transaction_meta out;
  OSVM_CHECK(read_transaction_meta(protobuf, out));
  return out;
}

result<block_rewards> parse_rewards(bytes_view protobuf) {
  if (protobuf.size() > max_message) return error(osvm::errc::limit_exceeded, "rewards of more than 64 MiB");
  fields in(protobuf);
  block_rewards out;
  bool ok = true;
  while (ok && in.next()) {
    if (in.number() == 1) {
      if (out.rewards.size() >= 4 * max_elements)
        return error(osvm::errc::limit_exceeded, "more than 2^22 rewards");
      ok = meta_parser::read_reward(in.bytes(), out.rewards.emplace_back());
    } else if (in.number() == 2) {
      fields n(in.bytes());
      out.num_partitions = 0;
      while (n.next())
        if (n.number() == 1) out.num_partitions = n.integer();
      ok = n.ok();
    }
  }
  if (!ok) return error(osvm::errc::malformed, "rewards: not a protobuf message");
  OSVM_CHECK(in.status("rewards"));
  return out;
}

result<std::optional<transaction_error>> parse_meta_error(bytes_view status) {
  std::optional<transaction_error> out;
  // The old form begins with a number, 0 or 1; no field of a message has number 0.
  if (!status.empty() && status[0] <= std::byte{1}) {
    OSVM_TRY(const auto failed, read_at<std::uint32_t>(status, 0));
    if (failed > 1) return error(osvm::errc::malformed, "transaction status: neither protobuf nor bincode");
    if (failed) {
      OSVM_TRY(out, parse_transaction_error(status.subspan(4)));
    }
    return out;
  }
  fields in(status);
  while (in.next()) {
    if (in.number() != 1) continue;
    fields e(in.bytes());
    while (e.next())
      if (e.number() == 1) {
        OSVM_TRY(out, parse_transaction_error(e.bytes()));
      }
    OSVM_CHECK(e.status("transaction error"));
  }
  OSVM_CHECK(in.status("transaction status"));
  return out;
}

}  // namespace osvm::solana
