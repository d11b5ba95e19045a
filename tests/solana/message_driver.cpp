// Makes transactions as a script orders, one JSON object a line, and prints each in base64: what
// solders_peer_test.py compares with what solders makes of the same orders.
#include <osvm/solana/base64.hpp>
#include <osvm/solana/message.hpp>

#include <boost/json.hpp>

#include <iostream>

namespace {

using namespace osvm;
using namespace osvm::solana;
namespace json = boost::json;

pubkey key_of(const json::value& v) {
  return pubkey::parse(std::string_view(v.as_string())).value();
}
std::string bytes_of(const json::value& v) {
  const auto decoded = base64_decode(std::string_view(v.as_string())).value();
  return {reinterpret_cast<const char*>(decoded.data()), decoded.size()};
}
std::uint64_t number_of(const json::value& v) {
  return v.to_number<std::uint64_t>();
}

instruction read_instruction(const json::object& o) {
  const auto kind = std::string(o.at("kind").as_string());
  const auto k = [&](const char* name) { return key_of(o.at(name)); };
  const auto n = [&](const char* name) { return number_of(o.at(name)); };
  namespace make = osvm::solana::instructions;
  if (kind == "transfer") return make::transfer(k("from"), k("to"), n("lamports"));
  if (kind == "create")
    return make::create_account({k("from"), k("address"), n("lamports"), n("space"), k("owner")});
  if (kind == "advance") return make::advance_nonce(k("nonce"), k("authority"));
  if (kind == "initialize") return make::initialize_nonce(k("nonce"), k("authority"));
  if (kind == "authorize") return make::authorize_nonce(k("nonce"), k("authority"), k("next"));
  if (kind == "withdraw") return make::withdraw_nonce({k("nonce"), k("authority"), k("to"), n("lamports")});
  if (kind == "limit") return make::compute_unit_limit(static_cast<std::uint32_t>(n("units")));
  if (kind == "price") return make::compute_unit_price(n("price"));
  instruction out{k("program"), {}, bytes_of(o.at("data"))};
  for (const auto& a : o.at("accounts").as_array())
    out.accounts.push_back({key_of(a.at(0)), a.at(1).as_bool(), a.at(2).as_bool()});
  return out;
}

std::string make(const json::object& order) {
  message_plan plan;
  plan.payer = key_of(order.at("payer"));
  plan.blockhash = hash::parse(std::string_view(order.at("blockhash").as_string())).value();
  plan.version = static_cast<message_version>(number_of(order.at("version")));  // 0 legacy, 1 v0, 2 v1
  const auto word = [&](const char* name, auto& to) {
    const auto* v = order.contains("config") ? order.at("config").as_object().if_contains(name) : nullptr;
    if (v) to = static_cast<typename std::remove_reference_t<decltype(to)>::value_type>(number_of(*v));
  };
  word("priority_fee", plan.config.priority_fee);
  word("compute_unit_limit", plan.config.compute_unit_limit);
  word("loaded_accounts_data_size_limit", plan.config.loaded_accounts_limit);
  word("heap_size", plan.config.heap_size);
  for (const auto& i : order.at("instructions").as_array())
    plan.instructions.push_back(read_instruction(i.as_object()));
  for (const auto& t : order.at("tables").as_array()) {
    lookup_table table{key_of(t.at("address")), {}};
    for (const auto& e : t.at("entries").as_array()) table.entries.push_back(key_of(e));
    plan.tables.push_back(std::move(table));
  }
  if (const auto* nonce = order.if_contains("nonce")) {
    const auto data = bytes_of(nonce->at("data"));
    plan = with_nonce(std::move(plan), key_of(nonce->at("account")), read_nonce(as_bytes(data)).value());
  }
  std::vector<keypair> keys;
  std::vector<const keypair*> pointers;
  for (const auto& seed : order.at("seeds").as_array())
    keys.push_back(keypair::from_seed(as_bytes(bytes_of(seed))).value());
  for (const auto& k : keys) pointers.push_back(&k);
  return sign_message(build_message(plan).value(), pointers).value();
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    try {
      std::cout << base64_encode(as_bytes(make(json::parse(line).as_object()))) << "\n";
    } catch (const std::exception& e) {
      std::cout << "error " << e.what() << "\n";
    }
  }
}
