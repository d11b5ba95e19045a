#include "check.hpp"

namespace osvm::audit {
namespace {

void run_c06(const check& self, const view& v) {
  for (const auto account : v.in.slots) {
    const auto* slot = v.p.slot_of(account);
    if (slot == nullptr || !slot->has_realloc || slot->realloc_zeroed) continue;
    v.report(
        self, slot->where,
        "`" + v.name(account) +
            "` is resized without zeroing: shrunk and grown in one transaction it shows its old bytes again",
        account);
  }
}

}  // namespace

extern const check c06_realloc_zero_check;
const check c06_realloc_zero_check{
    .id = "OSVM-C06",
    .name = "realloc-without-zeroing",
    .title = "An account grows over bytes that it held before",
    .cwe = 226,
    .severity = severity::low,
    .confidence = confidence::strong,
    .rationale =
        "The runtime zeroes new memory once for each transaction. An account that is shrunk and grown again "
        "within "
        "one gets its former content back, unless the program asks for zeroes.",
    .fix = "Set `realloc::zero = true` where the account may have been smaller before.",
    .instruction = run_c06,
};

}  // namespace osvm::audit
