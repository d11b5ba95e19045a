// osvm_audit.h over osvm/audit.
#include <osvm_audit.h>

#include <osvm/audit/own_checks.hpp>
#include <osvm/audit/reports.hpp>

#include "guard.hpp"
#include "versioned.hpp"

using namespace osvm::capi;

void osvm_audit_options_init(osvm_audit_options* options, uint32_t struct_size) {
  init_versioned(options, struct_size, osvm_audit_options{});
}

osvm_error* osvm_audit_run(const char* path, const osvm_audit_options* options, char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(path);
    OSVM_REQUIRE(out_json);
    OSVM_TRY(const auto given, read_versioned(options, osvm_audit_options{}, "osvm_audit_options"));
    if (given.check_count != 0) OSVM_REQUIRE(given.checks);
    if (given.threads > 256) return osvm::error(osvm::errc::invalid_argument, "threads must be at most 256");
    osvm::audit::options how;
    if (given.threads != 0) how.threads = given.threads;
    for (size_t i = 0; i < given.check_count; ++i) {
      OSVM_REQUIRE(given.checks[i]);
      how.only.emplace_back(given.checks[i]);
    }
    OSVM_TRY(auto report, osvm::audit::run(path, how));
    if (given.own_checks != nullptr) {
      OSVM_TRY(const auto own, osvm::audit::parse_own_checks(given.own_checks));
      OSVM_CHECK(osvm::audit::add_own_findings(report, own));
    }
    *out_json = copy_string(osvm::audit::to_json(report));
    return {};
  });
}

osvm_error* osvm_audit_checks(char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(out_json);
    *out_json = copy_string(osvm::audit::to_json(osvm::audit::checks()));
    return {};
  });
}
