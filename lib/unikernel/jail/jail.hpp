// Takes from a worker process what its guest does not need, before the guest's first instruction: so that a
// guest that breaks out of the VM and into the worker still holds almost nothing of the host.
#pragma once

#include "unikernel/engine/in_process.hpp"

#include <osvm/core/error.hpp>

#include <string>

namespace osvm::unikernel {

// Each rule can be left out by a test that shows what it stops.
struct jail_rules {
  bool namespaces = true;    // mount (an empty root), network, IPC, host name
  bool landlock = true;      // files beneath the granted mounts only, no other sockets or signals
  bool capabilities = true;  // none, for ever
  bool calls = true;         // seccomp: a list of system calls
  bool limits = true;        // no core files, no processes, descriptors within the budget
};

// What was done, for the isolation report: "namespaces (mount, net, ipc, uts), Landlock 7, no capabilities,
// seccomp".
using jail_report = std::string;

// Of the calling thread, which must be its process's only one. There is no way back. Error:
// errc::isolation_unsupported, naming what this host lacks; the process is not fit for a guest then.
result<jail_report> enter_jail(const host_access& needs, const budgets& limits, const jail_rules& rules = {});

// The host's devices that stand behind the guest's (lib/unikernel/files/open.cpp).
inline constexpr const char* jail_devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                               "/dev/urandom"};

// The parts, in order. Each returns what it did, for the report.
result<std::string> enter_namespaces(const host_access& needs);
result<std::string> restrict_files(const host_access& needs);
result<std::string> drop_capabilities();
result<std::string> limit_resources(const budgets& limits);
result<std::string> filter_calls(const host_access& needs);

}  // namespace osvm::unikernel
