#include "check.hpp"

namespace osvm::audit {
namespace {

void run_e01(const check& self, const program_view& v) {
  const auto& c = v.p.source;
  if (c.manifest_display.empty() || c.overflow_checks) return;
  const event* sum = nullptr;
  for (const auto& s : v.p.summaries) {
    if (!s.done) continue;
    for (const auto& e : s.events) {
      if (e.kind != ek::arith || sum != nullptr) continue;
      const auto literal = [&](term_id x) {
        return v.p.terms[x].kind == tk::literal || v.p.terms[x].kind == tk::constant;
      };
      const bool counted = e.text == "+" || e.text == "-" || e.text == "*" || e.text == "+=" ||
                           e.text == "-=" || e.text == "*=";
      if (counted && !literal(e.a) && !literal(e.b)) sum = &e;
    }
  }
  if (sum == nullptr) return;  // nothing to overflow
  auto& f =
      v.report_manifest(self, c.profile_line,
                        "`overflow-checks = true` is not set in [profile.release] of the workspace's root: "
                        "arithmetic of `" +
                            c.name + "` wraps around on chain",
                        c.workspace_display);
  f.seen.push_back({sum->where, "arithmetic that can wrap"});
}

}  // namespace

extern const check e01_overflow_checks_check;
const check e01_overflow_checks_check{
    .id = "OSVM-E01",
    .name = "overflow-checks-off",
    .title = "Release builds do not check for overflow",
    .cwe = 190,
    .severity = severity::low,
    .confidence = confidence::proof,
    .rationale =
        "Programs are built in release mode, where Rust's integers wrap silently unless the profile of the "
        "workspace's root "
        "says otherwise. The same section in a member's manifest has no effect.",
    .fix = "Add `[profile.release]` with `overflow-checks = true` to the Cargo.toml of the workspace's root.",
    .program = run_e01,
};

}  // namespace osvm::audit
