// Two ledgers, slot by slot.
#pragma once

#include <osvm/ledger/blockstore.hpp>

#include <functional>

namespace osvm::ledger {

struct slot_difference {
  slot_t slot = 0;
  std::string what;  // for people: "transaction 3: another status"
};

struct comparison {
  std::uint64_t slots = 0;  // that both have
  std::uint64_t equal = 0;  // in everything that both record
  std::uint64_t only_first = 0, only_second = 0;
  std::uint64_t unreadable = 0;  // slots whose block neither can read, other than dead ones: nobody can tell
  // Slots whose Proof of History only one of them recorded: their transactions and blockhash are compared.
  std::uint64_t without_proof = 0;
};

// Calls `found` for each difference, ascending, and gives the counts; `found` gives false to stop. Slots that
// hold nothing but a parent's hash are passed over.
result<comparison> compare_ledgers(const blockstore& first, const blockstore& second, slot_t from, slot_t to,
                                   const std::function<bool(const slot_difference&)>& found);

}  // namespace osvm::ledger
