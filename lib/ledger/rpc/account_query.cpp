#include "account_query.hpp"

#include <boost/json/serialize.hpp>

namespace osvm::ledger {

rpc_result<const account_store*> accounts_of(const call& c) {
  if (!c.at.options.accounts)
    return rpc_error{-32601, "Method not found",
                     R"({"reason":"no accounts are loaded: start with a snapshot or account files"})"};
  return c.at.options.accounts.get();
}

rpc_result<const bank_fields*> bank_of(const call& c) {
  RPC_TRY(const auto* store, accounts_of(c));
  if (!store->bank())
    return rpc_error{-32601, "Method not found", R"({"reason":"only a snapshot knows: files hold no bank"})"};
  return store->bank();
}

rpc_result<account_query> read_account_query(const json::object* config, solana::account_encoding otherwise) {
  account_query out{.encoding = otherwise};
  if (const auto* e = field(config, "encoding")) {
    const auto known = e->is_string() ? solana::parse_account_encoding(e->get_string()) : std::nullopt;
    if (!known)
      return invalid("Invalid params: unknown variant " + json::serialize(*e) +
                     ", expected one of `binary`, `base58`, `base64`, `jsonParsed`, `base64+zstd`.");
    out.encoding = *known;
  }
  if (const auto* s = field(config, "dataSlice")) {
    const auto* o = s->if_object();
    const auto *offset = field(o, "offset"), *length = field(o, "length");
    if (!offset || !length) return invalid("Invalid params: dataSlice needs offset and length.");
    auto& slice = out.slice.emplace();
    RPC_TRY(slice.offset, number(*offset));
    RPC_TRY(slice.length, number(*length));
  }
  return out;
}

rpc_result<slot_t> context_slot(const call& c, const json::object* config) {
  RPC_TRY(const auto level, read_commitment(config));
  RPC_TRY(const auto* store, accounts_of(c));
  return not_before(config, store->bank() ? store->slot() : slot_at(*c.store().bounds(), level).value_or(0));
}

rpc_result<std::string> with_context(const call& c, const json::object* config, std::string_view value) {
  RPC_TRY(const auto slot, context_slot(c, config));
  std::string text = "{\"context\":{\"slot\":" + std::to_string(slot) + "},\"value\":";
  text += value;
  return text + "}";
}

rpc_result<bool> append_account(solana::json_writer& out, const account_store& store, const stored_account& a,
                                const account_query& query) {
  constexpr std::size_t max_base58 = 128;
  const bool base58 = query.encoding == solana::account_encoding::binary ||
                      query.encoding == solana::account_encoding::base58;
  if (base58 && (query.slice ? query.slice->length : a.view.data.size()) > max_base58)
    return rpc_error{
        -32600, "Encoded binary (base 58) data should be less than 128 bytes, please use Base64 encoding."};
  solana::account_context context;
  if (query.encoding == solana::account_encoding::json_parsed) context = store.context_of(a);
  solana::write_account(out, a.address, a.view, query.encoding, query.slice, context);
  return true;
}

rpc_result<std::string> keyed_accounts(const account_store& store,
                                       const std::vector<const stored_account*>& list,
                                       const account_query& query) {
  std::string text;
  solana::json_writer out(text);
  out.begin_array();
  for (const auto* a : list) {
    out.begin_object();
    out.field("pubkey", a->address);
    out.key("account");
    RPC_TRY([[maybe_unused]] const bool done, append_account(out, store, *a, query));
    out.end_object();
  }
  out.end_array();
  return text;
}

// A feature's account holds the slot at which it was activated.
std::optional<slot_t> activated_at(const account_store& store, const solana::pubkey& feature) {
  const auto* a = store.find(feature);
  if (!a || a->view.data.size() < 9 || a->view.data[0] != std::byte{1}) return std::nullopt;
  const auto slot = read_at<std::uint64_t>(a->view.data, 1);
  return slot ? std::optional(*slot) : std::nullopt;
}

}  // namespace osvm::ledger
