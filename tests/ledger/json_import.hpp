// A recorded getBlock answer made into what a validator stores: wire bytes and TransactionStatusMeta
// messages. A reading of its own beside that of `ledger import`: what is compared with it must not share its
// mistakes.
#pragma once

#include <osvm/solana/base58.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/status.hpp>

#include <boost/json.hpp>

#include <string>

#include "solana/protobuf.hpp"

namespace osvm::ledger::test {

namespace json = boost::json;

inline std::string_view text_of(const json::value& v) {
  return {v.get_string().data(), v.get_string().size()};
}
inline std::string raw(const std::vector<std::byte>& b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}
inline std::uint64_t number_of(const json::value& v) {
  return v.to_number<std::uint64_t>();
}

inline solana::transaction_error import_error(const json::value& v) {
  using te = solana::transaction_error;
  te out;
  if (v.is_string()) {
    out.kind = solana::transaction_error_kind(text_of(v)).value();
    return out;
  }
  const auto& [name, body] = *v.get_object().begin();
  out.kind = solana::transaction_error_kind({name.data(), name.size()}).value();
  if (body.is_object()) out.index = static_cast<std::uint8_t>(number_of(body.get_object().begin()->value()));
  if (body.is_int64()) out.index = static_cast<std::uint8_t>(body.get_int64());
  if (!body.is_array()) return out;
  out.index = static_cast<std::uint8_t>(number_of(body.at(0)));
  const auto& inner = body.at(1);
  if (inner.is_string()) {
    out.instruction_kind = solana::instruction_error_kind(text_of(inner)).value();
  } else {
    const auto& only = *inner.get_object().begin();
    out.instruction_kind = solana::instruction_error_kind({only.key().data(), only.key().size()}).value();
    if (only.value().is_string())
      out.text = only.value().get_string().c_str();
    else
      out.custom = static_cast<std::uint32_t>(number_of(only.value()));
  }
  return out;
}

inline std::string import_balance(const json::value& b) {
  std::string out, amount;
  solana::protobuf::builder to(out), ui(amount);
  const auto& a = b.at("uiTokenAmount");
  if (!a.at("uiAmount").is_null()) ui.real(1, a.at("uiAmount").to_number<double>());
  ui.nonzero(2, number_of(a.at("decimals")));
  ui.nonempty(3, text_of(a.at("amount")));
  ui.nonempty(4, text_of(a.at("uiAmountString")));
  to.nonzero(1, number_of(b.at("accountIndex")));
  to.bytes(2, text_of(b.at("mint")));
  to.bytes(3, amount);
  if (const auto* o = b.as_object().if_contains("owner")) to.bytes(4, text_of(*o));
  if (const auto* p = b.as_object().if_contains("programId")) to.bytes(5, text_of(*p));
  return out;
}

inline std::string import_inner(const json::value& group) {
  std::string out;
  solana::protobuf::builder to(out);
  to.nonzero(1, number_of(group.at("index")));
  for (const auto& ix : group.at("instructions").as_array()) {
    std::string one, accounts;
    solana::protobuf::builder i(one);
    for (const auto& a : ix.at("accounts").as_array()) accounts.push_back(static_cast<char>(number_of(a)));
    i.nonzero(1, number_of(ix.at("programIdIndex")));
    i.nonempty(2, accounts);
    i.nonempty(3, raw(*solana::base58_decode(text_of(ix.at("data")), 100000)));
    if (const auto* h = ix.as_object().if_contains("stackHeight"); h && !h->is_null())
      i.integer(4, number_of(*h));
    to.bytes(2, one);
  }
  return out;
}

inline std::string import_reward(const json::value& r) {
  static constexpr std::string_view types[] = {"", "Fee", "Rent", "Staking", "Voting", "DeactivatedStake"};
  std::string out;
  solana::protobuf::builder to(out);
  to.bytes(1, text_of(r.at("pubkey")));
  to.nonzero(2, static_cast<std::uint64_t>(r.at("lamports").to_number<std::int64_t>()));
  to.nonzero(3, number_of(r.at("postBalance")));
  for (std::uint32_t i = 1; i < 6; ++i)
    if (r.at("rewardType").is_string() && text_of(r.at("rewardType")) == types[i]) to.integer(4, i);
  if (const auto* c = r.as_object().if_contains("commission"); c && !c->is_null())
    to.bytes(5, std::to_string(number_of(*c)));
  return out;
}

// The protobuf message of an answer's "meta" (encodings other than jsonParsed).
inline std::string import_meta(const json::value& m) {
  std::string out;
  solana::protobuf::builder to(out);
  if (!m.at("err").is_null()) {
    std::string e;
    solana::protobuf::builder(e).bytes(1, solana::encode_transaction_error(import_error(m.at("err"))));
    to.bytes(1, e);
  }
  to.nonzero(2, number_of(m.at("fee")));
  for (const auto& [name, field] : {std::pair{"preBalances", 3U}, std::pair{"postBalances", 4U}}) {
    std::string packed;
    for (const auto& v : m.at(name).as_array()) solana::protobuf::builder(packed).varint(number_of(v));
    to.nonempty(field, packed);
  }
  if (m.at("innerInstructions").is_null())
    to.integer(10, 1);
  else
    for (const auto& g : m.at("innerInstructions").as_array()) to.bytes(5, import_inner(g));
  if (m.at("logMessages").is_null())
    to.integer(11, 1);
  else
    for (const auto& l : m.at("logMessages").as_array()) to.bytes(6, text_of(l));
  for (const auto& b : m.at("preTokenBalances").as_array()) to.bytes(7, import_balance(b));
  for (const auto& b : m.at("postTokenBalances").as_array()) to.bytes(8, import_balance(b));
  for (const auto& r : m.at("rewards").as_array()) to.bytes(9, import_reward(r));
  if (const auto* loaded = m.as_object().if_contains("loadedAddresses")) {
    for (const auto& k : loaded->at("writable").as_array())
      to.bytes(12, raw(*solana::base58_decode(text_of(k))));
    for (const auto& k : loaded->at("readonly").as_array())
      to.bytes(13, raw(*solana::base58_decode(text_of(k))));
  }
  if (const auto* d = m.as_object().if_contains("returnData")) {
    std::string one;
    solana::protobuf::builder r(one);
    r.bytes(1, raw(*solana::base58_decode(text_of(d->at("programId")))));
    r.nonempty(2, raw(*solana::base64_decode(text_of(d->at("data").at(0)))));
    to.bytes(14, one);
  }
  if (const auto* u = m.as_object().if_contains("computeUnitsConsumed")) to.integer(16, number_of(*u));
  if (const auto* u = m.as_object().if_contains("costUnits")) to.integer(17, number_of(*u));
  return out;
}

}  // namespace osvm::ledger::test
