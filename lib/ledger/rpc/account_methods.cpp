// Accounts of snapshots and files.
#include <osvm/solana/base58.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/programs.hpp>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cmath>

#include "account_query.hpp"

namespace osvm::ledger {
namespace {

answer get_account_info(const call& c) {
  RPC_TRY(const auto* store, accounts_of(c));
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto address, read_pubkey(*c.params.at(0)));
  RPC_TRY(const auto query, read_account_query(config_of(c, 1), solana::account_encoding::binary));
  RPC_TRY([[maybe_unused]] const auto slot, context_slot(c, config_of(c, 1)));
  const auto* a = store->find(address);
  std::string text;
  solana::json_writer out(text);
  if (!a) return with_context(c, config_of(c, 1), "null");
  RPC_TRY([[maybe_unused]] const bool done, append_account(out, *store, *a, query));
  return with_context(c, config_of(c, 1), text);
}

answer get_multiple_accounts(const call& c) {
  constexpr std::size_t most = 100;
  RPC_TRY(const auto* store, accounts_of(c));
  const auto* list = c.params.at(0);
  if (!list) return missing(1);
  if (!list->is_array())
    return invalid("Invalid params: invalid type: " + type_name(*list) + ", expected a sequence.");
  if (list->get_array().size() > most) return invalid("Too many inputs provided; max 100");
  RPC_TRY(const auto query, read_account_query(config_of(c, 1), solana::account_encoding::base64));
  std::string text;
  solana::json_writer out(text);
  out.begin_array();
  for (const auto& item : list->get_array()) {
    RPC_TRY(const auto address, read_pubkey(item));
    const auto* a = store->find(address);
    if (!a) {
      out.null();
      continue;
    }
    RPC_TRY([[maybe_unused]] const bool done, append_account(out, *store, *a, query));
  }
  out.end_array();
  return with_context(c, config_of(c, 1), text);
}

answer get_balance(const call& c) {
  RPC_TRY(const auto* store, accounts_of(c));
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto address, read_pubkey(*c.params.at(0)));
  const auto* a = store->find(address);
  return with_context(c, config_of(c, 1), std::to_string(a ? a->view.lamports : 0));
}

// ---- filters of getProgramAccounts

struct account_filter {
  std::optional<std::uint64_t> size{};  // of the data
  bool holding = false;                 // a token account that is set up
  std::uint64_t offset = 0;
  std::vector<std::byte> bytes{};

  bool takes(bytes_view data) const {
    if (size) return data.size() == *size;
    if (holding) return solana::read_token_holding(data).has_value();
    return offset <= data.size() && bytes.size() <= data.size() - offset &&
           std::ranges::equal(bytes, data.subspan(offset, bytes.size()));
  }
};

rpc_result<std::vector<std::byte>> compared_bytes(const json::object& memcmp) {
  constexpr std::size_t most = 128;
  const auto* v = field(&memcmp, "bytes");
  std::vector<std::byte> out;
  if (v && v->is_array()) {
    for (const auto& b : v->get_array()) {
      RPC_TRY(const auto n, number(b));
      if (n > 255) return invalid("Invalid params: invalid value: integer, expected u8.");
      out.push_back(static_cast<std::byte>(n));
    }
  } else if (v && v->is_string()) {
    const auto* encoding = field(&memcmp, "encoding");
    const std::string_view text = v->get_string();
    const bool base64 = encoding && encoding->is_string() && encoding->get_string() == "base64";
    if (text.size() > (base64 ? 172u : 175u)) return invalid("Invalid param: encoded binary too large");
    auto decoded = base64 ? solana::base64_decode(text) : solana::base58_decode(text);
    if (!decoded)
      return invalid(base64 ? "Invalid param: base64 decode error" : "Invalid param: bs58 decode error");
    out = std::move(*decoded);
  } else {
    return invalid("Invalid params: missing field `bytes`.");
  }
  if (out.size() > most) return invalid("Invalid param: data too large");
  return out;
}

rpc_result<account_filter> read_filter(const json::value& v) {
  account_filter out;
  if (v.is_string() && v.get_string() == "tokenAccountState") {
    out.holding = true;
    return out;
  }
  const auto* o = v.if_object();
  if (const auto* size = field(o, "dataSize")) {
    RPC_TRY(const auto n, number(*size));
    out.size = n;
    return out;
  }
  const auto* memcmp = field(o, "memcmp");
  if (!memcmp || !memcmp->is_object())
    return invalid(
        "Invalid params: unknown filter, expected one of `dataSize`, `memcmp`, `tokenAccountState`.");
  const auto* offset = field(&memcmp->get_object(), "offset");
  if (!offset) return invalid("Invalid params: missing field `offset`.");
  RPC_TRY(out.offset, number(*offset));
  RPC_TRY(out.bytes, compared_bytes(memcmp->get_object()));
  return out;
}

rpc_result<std::vector<account_filter>> read_filters(const json::object* config) {
  constexpr std::size_t most = 4;
  std::vector<account_filter> out;
  const auto* list = field(config, "filters");
  if (!list) return out;
  if (!list->is_array())
    return invalid("Invalid params: invalid type: " + type_name(*list) + ", expected a sequence.");
  if (list->get_array().size() > most) return invalid("Too many filters provided; max 4");
  for (const auto& v : list->get_array()) {
    RPC_TRY(auto f, read_filter(v));
    out.push_back(std::move(f));
  }
  return out;
}

answer get_program_accounts(const call& c) {
  RPC_TRY(const auto* store, accounts_of(c));
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto program, read_pubkey(*c.params.at(0)));
  const auto* config = config_of(c, 1);
  RPC_TRY(const auto query, read_account_query(config, solana::account_encoding::binary));
  RPC_TRY(const auto filters, read_filters(config));
  RPC_TRY(const bool context, flag(config, "withContext", false));
  auto list = store->owned_by(program);
  std::erase_if(list, [&](const auto* a) {
    return !std::ranges::all_of(filters, [a](const auto& f) { return f.takes(a->view.data); });
  });
  RPC_TRY(auto text, keyed_accounts(*store, list, query));
  if (!context) return text;
  return with_context(c, config, text);
}

// ---- of the bank

answer get_transaction_count(const call& c) {
  RPC_TRY(const auto* bank, bank_of(c));
  return std::to_string(bank->transaction_count);
}

// What validators require of every account, by the cluster's rent: an account's own 128 bytes count too.
answer get_minimum_balance(const call& c) {
  constexpr std::uint64_t overhead = 128, max_data = 10 << 20;
  RPC_TRY(const auto* store, accounts_of(c));
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto size, number(*c.params.at(0)));
  const auto* bank = store->bank();
  const auto per_year = bank ? bank->rent.lamports_per_byte_year : 3480;
  const auto years = bank ? bank->rent.exemption_threshold : 2.0;
  if (size > max_data) return invalid("Invalid param: an account holds at most 10485760 bytes");
  return std::to_string(
      static_cast<std::uint64_t>(static_cast<double>((overhead + size) * per_year) * years));
}

answer get_inflation_governor(const call& c) {
  RPC_TRY(const auto* bank, bank_of(c));
  std::string text;
  solana::json_writer out(text);
  out.begin_object();
  out.field("initial", bank->inflation.initial);
  out.field("terminal", bank->inflation.terminal);
  out.field("taper", bank->inflation.taper);
  out.field("foundation", bank->inflation.foundation);
  out.field("foundationTerm", bank->inflation.foundation_term);
  out.end_object();
  return text;
}

answer get_stake_minimum_delegation(const call& c) {
  constexpr auto one_sol = solana::programs::detail::address("9onWzzvCzNC2jfhxxeqRgs5q7nFAAKpCUvkj6T6GJK9i");
  RPC_TRY(const auto* store, accounts_of(c));
  return with_context(c, config_of(c, 0), activated_at(*store, one_sol) ? "1000000000" : "1");
}

// Of the archives that were loaded.
answer get_highest_snapshot_slot(const call& c) {
  const auto loaded =
      c.at.options.accounts ? c.at.options.accounts->archives() : account_store::archive_slots{};
  if (!loaded.full) return rpc_error{-32008, "No snapshot"};
  return "{\"full\":" + std::to_string(*loaded.full) +
         ",\"incremental\":" + (loaded.incremental ? std::to_string(*loaded.incremental) : "null") + "}";
}

constexpr rpc_method account_rows[] = {
    {"getAccountInfo", get_account_info, served_from::accounts},
    {"getMultipleAccounts", get_multiple_accounts, served_from::accounts},
    {"getBalance", get_balance, served_from::accounts},
    {"getProgramAccounts", get_program_accounts, served_from::accounts},
    {"getTransactionCount", get_transaction_count, served_from::bank},
    {"getMinimumBalanceForRentExemption", get_minimum_balance, served_from::accounts},
    {"getInflationGovernor", get_inflation_governor, served_from::bank},
    {"getStakeMinimumDelegation", get_stake_minimum_delegation, served_from::accounts},
    {"getHighestSnapshotSlot", get_highest_snapshot_slot},
};

}  // namespace

std::span<const rpc_method> account_methods() noexcept {
  return account_rows;
}

}  // namespace osvm::ledger
