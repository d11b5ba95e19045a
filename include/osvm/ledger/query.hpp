// A ledger's answers as JSON: the part of a validator's JSON-RPC that a ledger alone can give. The command
// line and the RPC service are both made of these.
#pragma once

#include <osvm/ledger/blockstore.hpp>
#include <osvm/ledger/genesis.hpp>
#include <osvm/solana/encode.hpp>

#include <optional>

namespace osvm::ledger {

enum class commitment { processed, confirmed, finalized };
std::optional<commitment> parse_commitment(std::string_view name) noexcept;

struct block_query {
  solana::encode_options encode{};
  solana::transaction_details details = solana::transaction_details::full;
  commitment level = commitment::finalized;
  // Of a block: a transaction without a status is errc::incomplete, as with validators; else its `meta` is
  // null.
  bool need_statuses = true;
};

struct signatures_query {
  std::size_t limit = 1000;
  std::optional<solana::signature> before{}, until{};
  commitment level = commitment::finalized;
};

// The JSON object of getBlock. Errors: errc::cleaned_up, errc::skipped, errc::not_rooted, errc::incomplete,
// osvm::errc::unsupported (transaction version), errc::lost.
result<std::string> block_json(const blockstore& store, const std::optional<genesis>& g, slot_t slot,
                               const block_query& query);
// The JSON object of getTransaction, "null" when the ledger has no such transaction.
result<std::string> transaction_json(const blockstore& store, const std::optional<genesis>& g,
                                     const solana::signature& s, const block_query& query);
// The JSON array of getSignaturesForAddress.
result<std::string> signatures_json(const blockstore& store, const std::optional<genesis>& g,
                                    const solana::pubkey& address, const signatures_query& query);
// The slot that a commitment means.
std::optional<slot_t> slot_at(const ledger_bounds& b, commitment level) noexcept;
// Whether a slot counts as final at a commitment: rooted, or an ancestor of the last confirmed one.
result<bool> is_settled(const blockstore& store, slot_t slot, commitment level);

}  // namespace osvm::ledger
