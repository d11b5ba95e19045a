#include "audit/engine/outliers.hpp"

namespace osvm::audit {
namespace {

void run_a16(const check& self, const program_view& pv) {
  report_outliers(self, pv, outlier_kind::signer);
}

}  // namespace

extern const check a16_outlier_check;
const check a16_outlier_check{
    .id = "OSVM-A16",
    .name = "outlier",
    .title = "One instruction lacks the check that its siblings have",
    .cwe = 863,
    .severity = severity::medium,
    .confidence = confidence::heuristic,
    .rationale =
        "When every instruction but one relates a signer to a type of state before writing it, the one was "
        "probably forgotten.",
    .fix = "Add the check that the other instructions have, or say why this one does not need it.",
    .program = run_a16,
};

}  // namespace osvm::audit
