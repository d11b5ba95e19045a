// What reports show of an instruction beside its findings.
#pragma once

#include "audit/checks/check.hpp"

namespace osvm::audit {

instruction_row row_of(const view& v);
// Where its accounts are declared, in the row's order.
std::vector<span> account_spans(const view& v);

}  // namespace osvm::audit
