// Audits inside a VM: foreign sources meet the parser where a mistake of the parser reaches nothing.
#pragma once

#include <osvm/audit/audit.hpp>

namespace osvm::cli {

struct vm_audit {
  audit::report report;
  std::string isolation;  // what it ran in, for people
};

struct vm_audit_options {
  bool jail = false;      // its system calls are served in a worker process that gave up everything else
  bool offchain = false;  // audit::profile::offchain
};

// The folder is all that the VM sees, read-only; it has no network, 2 GiB of memory and ten minutes.
result<vm_audit> audit_in_vm(const std::string& path, const std::vector<std::string>& checks,
                             vm_audit_options how);

}  // namespace osvm::cli
