#include "unikernel/jail/jail.hpp"

#include <sys/prctl.h>

namespace osvm::unikernel {

result<jail_report> enter_jail(const host_access& needs, const budgets& limits, const jail_rules& rules) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno_error("no_new_privs");
  jail_report report;
  const auto add = [&](result<std::string> part) -> result<void> {
    if (!part) return part.error();
    report += (report.empty() ? "" : ", ") + *part;
    return {};
  };
  if (rules.namespaces) OSVM_CHECK(add(enter_namespaces(needs)));
  if (rules.landlock) OSVM_CHECK(add(restrict_files(needs)));
  if (rules.limits) OSVM_CHECK(add(limit_resources(limits)));
  if (rules.capabilities) OSVM_CHECK(add(drop_capabilities()));
  if (rules.calls) OSVM_CHECK(add(filter_calls(needs)));
  return report;
}

}  // namespace osvm::unikernel
