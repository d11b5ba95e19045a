// Whether a ledger's blocks hold: Proof of History from the parent's hash on, signatures, and a status for
// each transaction.
#pragma once

#include <osvm/ledger/blockstore.hpp>

#include <functional>

namespace osvm::ledger {

struct ledger_problem {
  slot_t slot = 0;
  std::string what;  // for people
};

struct verify_ledger_options {
  slot_t from = 0, to = ~slot_t{0};  // both included
  unsigned threads = 1;              // for the Proof of History
  // Called before each slot, with how many were looked at; false stops there.
  std::function<bool(slot_t slot, std::uint64_t done)> progress{};
  std::function<void(const ledger_problem&)> found{};
};

struct ledger_check {
  std::uint64_t blocks = 0, entries = 0, transactions = 0;
  std::uint64_t unproven = 0;  // blocks whose Proof of History was never recorded
  std::uint64_t problems = 0;
  std::optional<slot_t> stopped_at{};  // the first slot that was not looked at, when `progress` stopped it
};
// Fails only when the ledger cannot be walked: what does not hold is found, not an error.
result<ledger_check> verify_ledger(const blockstore& store, const verify_ledger_options& options = {});

}  // namespace osvm::ledger
