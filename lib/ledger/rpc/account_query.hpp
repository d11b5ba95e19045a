// What the account methods share: their configuration, and an account as an answer.
#pragma once

#include "call.hpp"

namespace osvm::ledger {

struct account_query {
  solana::account_encoding encoding = solana::account_encoding::binary;
  std::optional<solana::data_slice> slice{};
};

// -32601 when no accounts were loaded.
rpc_result<const account_store*> accounts_of(const call& c);
// -32601 when no snapshot was loaded.
rpc_result<const bank_fields*> bank_of(const call& c);
rpc_result<account_query> read_account_query(const json::object* config, solana::account_encoding otherwise);
// The slot that the answer is of; -32016 when the caller asks for a later one.
rpc_result<slot_t> context_slot(const call& c, const json::object* config);
// {"context":{"slot":…},"value":…}
rpc_result<std::string> with_context(const call& c, const json::object* config, std::string_view value);
// Validators refuse more than 128 bytes in base58.
rpc_result<bool> append_account(solana::json_writer& out, const account_store& store, const stored_account& a,
                                const account_query& query);
// [{"pubkey","account"},…]
rpc_result<std::string> keyed_accounts(const account_store& store,
                                       const std::vector<const stored_account*>& list,
                                       const account_query& query);

// The slot at which a feature was activated.
std::optional<slot_t> activated_at(const account_store& store, const solana::pubkey& feature);

}  // namespace osvm::ledger
