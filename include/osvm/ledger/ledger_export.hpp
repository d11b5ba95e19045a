// Blocks out of a ledger again, in the forms that others read.
#pragma once

#include <osvm/ledger/blockstore.hpp>
#include <osvm/ledger/genesis.hpp>
#include <osvm/ledger/recorded_block.hpp>

namespace osvm::ledger {

// The block of `slot` with all that was recorded about it. Errors as blockstore::read_block();
// errc::incomplete for a transaction without a status where `need_status`.
result<recorded_block> read_recorded_block(const blockstore& store, slot_t slot, bool need_status = true);
// Whether a slot holds nothing but the hash that its child builds on: what ledger_writer keeps of a parent
// that it was not given.
bool is_hash_only(const block& b) noexcept;
// Whether its entries say how many hashes lie between them. Blocks that come from RPC answers do not.
bool has_proof(const block& b) noexcept;

// One line, without its end: {"slot":…,"block":{…}}, the block as getBlock answers in base64; and
// "entries":[[numHashes,"hash",transactions],…] where the ledger has its Proof of History.
result<std::string> export_json_line(const blockstore& store, const std::optional<genesis>& g, slot_t slot);

}  // namespace osvm::ledger
