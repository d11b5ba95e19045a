#include "check.hpp"

namespace osvm::audit {
namespace {

struct advisory {
  const char* crate;
  std::uint64_t fixed;  // major * 1e6 + minor * 1e3 + patch
  const char* fixed_text;
  const char* what;
};
constexpr advisory advisories[] = {
    {"spl-token", 3'001'001, "3.1.1", "its builders of instructions do not compare the token program's id"},
    {"ed25519-dalek", 2'000'000, "2.0.0",
     "RUSTSEC-2022-0093: signing with a wrong public key shows the private one"},
    {"curve25519-dalek", 4'001'003, "4.1.3",
     "RUSTSEC-2024-0344: a subtraction takes time that depends on secrets"},
};

// The first version that Cargo would no longer take for the requirement "1.2" (caret) or "=1.2.3".
std::uint64_t beyond(std::string_view requirement, std::uint64_t lowest) {
  const auto at = requirement.find_first_not_of(' ');
  if (at != std::string_view::npos && requirement[at] == '=') return lowest + 1;
  if (at != std::string_view::npos && (requirement[at] == '>' || requirement[at] == '*')) return UINT64_MAX;
  return lowest >= 1'000'000 ? (lowest / 1'000'000 + 1) * 1'000'000 : (lowest / 1'000 + 1) * 1'000;
}

void run_g04(const check& self, const program_view& v) {
  const auto& cargo = v.p.source.cargo;
  for (const auto& a : advisories) {
    const std::string key = std::string("dependencies.") + a.crate;
    const auto* wanted = cargo.find(key + ".version");
    if (wanted == nullptr) wanted = cargo.find(key);
    if (wanted == nullptr || wanted->text.empty()) continue;
    const auto lowest = lowest_version(wanted->text);
    if (lowest == 0 || beyond(wanted->text, lowest) > a.fixed) continue;
    v.report_manifest(self, wanted->line,
                      std::string("`") + a.crate + "` before " + a.fixed_text + ": " + a.what,
                      v.p.source.manifest_display);
  }
}

}  // namespace

extern const check g04_vulnerable_dependency_check;
const check g04_vulnerable_dependency_check{
    .id = "OSVM-G04",
    .name = "vulnerable-dependency",
    .title = "A dependency has a known weakness",
    .cwe = 1395,
    .severity = severity::low,
    .confidence = confidence::proof,
    .rationale =
        "The requirement in the manifest admits only versions with a published weakness. Whether the program "
        "is "
        "reached by it depends on how it uses the crate.",
    .fix = "Require a version that has the repair.",
    .program = run_g04,
};

}  // namespace osvm::audit
