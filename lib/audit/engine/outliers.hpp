// Deviations: N instructions use a type of state, all but one make a check. Checks of each class report their
// own kind.
#pragma once

#include "audit/checks/check.hpp"

namespace osvm::audit {

enum class outlier_kind {
  owner,     // the owner of raw accounts is compared
  relation,  // a stored key is compared with an account's key
  signer,    // a signer is related to the state before it is written
};

void report_outliers(const check& self, const program_view& pv, outlier_kind kind);

}  // namespace osvm::audit
