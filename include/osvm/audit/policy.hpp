// What a project decides about its findings: accepted ones (a baseline), settings, and what a change touches.
// Functions here read no files; any thread may call them.
#pragma once

#include <osvm/audit/finding.hpp>
#include <osvm/core/error.hpp>

#include <map>
#include <optional>

namespace osvm::audit {

// A finding that is known and accepted, by its fingerprint.
struct baseline_entry {
  std::string fingerprint, check, file, reason;
  std::string until;  // "2027-01-31", the last day; empty: for ever
};

// JSON: {"version":1,"findings":[{"fingerprint":…,"check":…,"file":…,"reason":…,"until":…}]}.
result<std::vector<baseline_entry>> parse_baseline(std::string_view json);
// Every finding that is not suppressed, accepted with `reason`.
std::string to_baseline(const report& r, const std::string& reason);
// Suppresses what the baseline accepts; entries that match nothing, or whose day is over on `today`, go to
// `unused_suppressions`.
void apply(report& r, const std::vector<baseline_entry>& baseline, const std::string& today);

struct settings {
  std::map<std::string, severity> severities;  // by check
  std::vector<std::string> off;                // checks
  std::vector<std::string> ignored_paths;      // of files, by their beginning
  std::optional<severity> fail_on;
};

// TOML: [audit] with fail-on, off = [...], ignore-paths = [...]; [severity] with OSVM-A07 = "low".
result<settings> parse_settings(std::string_view toml);
void apply(report& r, const settings& s);

// Keeps only findings that a change touches: `diff` is a unified diff (`git diff -U0 BASE`), and a finding is
// touched when a line of it or of its evidence is new. Gives how many were dropped.
result<std::size_t> keep_touched(report& r, std::string_view diff);

}  // namespace osvm::audit
