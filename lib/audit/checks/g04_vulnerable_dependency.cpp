#include "check.hpp"

namespace osvm::audit {
namespace {

// Versions as major * 1e6 + minor * 1e3 + patch.
struct advisory {
  const char* crate;
  std::uint64_t from, fixed;
  const char* versions;  // "before 3.1.1"
  const char* what;
  const char* only = nullptr;  // this version alone, instead of the range
};
constexpr advisory advisories[] = {
    {"anchor-lang", 1'000'000, 1'000'002, "before 1.0.2",
     "RUSTSEC-2026-0144 (CVE-2026-45137): `Program<System>` takes any program"},
    {"anchor-lang", 0, 0, "1.0.0-rc.1",
     "RUSTSEC-2026-0146: `InterfaceAccount` takes accounts of another type", "1.0.0-rc.1"},
    {"arrayref", 0, 0, "0.3.10", "RUSTSEC-2026-0260: a malicious release that runs a build script", "0.3.10"},
    {"spl-token", 0, 3'001'001, "before 3.1.1",
     "its builders of instructions do not compare the token program's id"},
    {"ed25519-dalek", 0, 2'000'000, "before 2.0.0",
     "RUSTSEC-2022-0093: signing with a wrong public key shows the private one"},
    {"curve25519-dalek", 0, 4'001'003, "before 4.1.3",
     "RUSTSEC-2024-0344: a subtraction takes time that depends on secrets"},
};

// The first version that Cargo would no longer take for the requirement "1.2" (caret) or "=1.2.3".
std::uint64_t beyond(std::string_view requirement, std::uint64_t lowest) {
  const auto at = requirement.find_first_not_of(' ');
  if (at != std::string_view::npos && requirement[at] == '=') return lowest + 1;
  if (at != std::string_view::npos && (requirement[at] == '>' || requirement[at] == '*')) return UINT64_MAX;
  return lowest >= 1'000'000 ? (lowest / 1'000'000 + 1) * 1'000'000 : (lowest / 1'000 + 1) * 1'000;
}

bool locked_is_bad(const advisory& a, const std::string& version) {
  if (a.only != nullptr) return version == a.only;
  const auto number = lowest_version(version);
  const bool before_release = version.find('-') != std::string::npos && number == a.from;
  return number >= a.from && number < a.fixed && !before_release;
}

// By the requirement alone: no version that it admits is a good one.
bool admits_only_bad(const advisory& a, std::string_view requirement) {
  if (a.only != nullptr) {
    const auto at = requirement.find_first_not_of("= ");
    return requirement.find('=') != std::string_view::npos && at != std::string_view::npos &&
           requirement.substr(at) == a.only;
  }
  const auto lowest = lowest_version(requirement);
  return lowest != 0 && lowest >= a.from && beyond(requirement, lowest) <= a.fixed;
}

void run_g04(const check& self, const program_view& v) {
  const auto& crate = v.p.source;
  for (const auto& a : advisories) {
    const std::string key = std::string("dependencies.") + a.crate;
    const auto* wanted = crate.cargo.find(key + ".version");
    if (wanted == nullptr) wanted = crate.cargo.find(key);
    if (wanted == nullptr) wanted = crate.cargo.find(key + ".workspace");
    if (wanted == nullptr) continue;
    std::string locked;  // the lock decides where it names the crate
    bool bad = admits_only_bad(a, wanted->text), known = false;
    if (crate.lock != nullptr)
      if (const auto at = crate.lock->find(a.crate); at != crate.lock->end()) {
        known = true;
        for (const auto& version : at->second)
          if (locked_is_bad(a, version)) locked = version;
      }
    if (known) bad = !locked.empty();
    if (!bad) continue;
    v.report_manifest(self, wanted->line,
                      std::string("`") + a.crate + "` " + a.versions + ": " + a.what +
                          (known ? " (Cargo.lock has " + locked + ")" : ""),
                      crate.manifest_display)
        .topic = a.what;
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
        "Cargo.lock names a version with a published weakness, or, without a lock, the manifest admits no "
        "other. Whether the program is reached by it depends on how it uses the crate.",
    .fix = "Require a version that has the repair.",
    .program = run_g04,
};

}  // namespace osvm::audit
