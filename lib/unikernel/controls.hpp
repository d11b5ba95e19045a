// Security rules by name. In the library they are compile-time truths. The test variant of this module
// (OSVM_TEST_CONTROLS) makes each a switch, so that a test can show that its attack succeeds when exactly
// that rule is off: a security test without such a control proves nothing.
#pragma once

namespace osvm::unikernel {

struct test_controls {
  bool smep_smap = true;           // CR4.SMEP and SMAP
  bool privilege_check = true;     // a system call that arrives at CPL 0 (stub B) ends the guest
  bool sanitize_registers = true;  // RIP, RFLAGS, FS and GS bases that the guest chooses are checked
  bool port_checks = true;    // only a 1-byte, count-1 OUT on the system-call port from the stub is a call
  bool flush_revoked = true;  // a page that loses rights is flushed from shadow page tables
  bool write_xor_execute = true;  // PROT_EXEC is refused for memory that is or was writable, without `jit`
  bool polled_calls = true;       // only calls of a closed list are answered without an exit
  bool check_rights = true;       // system-call buffers are checked against the mapping's rights
  bool library_places =
      true;             // libraries are granted only from the loader's directories and beside the program
  bool beneath = true;  // paths are resolved beneath their mount
  bool read_only_mounts = true;
  bool policy_listen = true;  // only granted ports can be listened on
  bool policy_connect = true;
  bool descriptor_passing = true;  // no descriptor crosses a socket to or from the host
  bool guard_copies =
      true;  // pages of shared files are copied by the host kernel, which reports a missing one
  bool regular_files_only = true;  // devices, sockets and the host's FIFOs below mounts cannot be opened
  bool memory_budget = true;
  bool thread_budget = true;
  bool process_budget = true;
  bool descriptor_budget = true;
  bool write_budget = true;
  bool mount_quota = true;
  bool cpu_budget = true;
  bool wall_budget = true;
};

#ifdef OSVM_TEST_CONTROLS
using rule_set = test_controls;
#else
struct rule_set {
  static constexpr bool smep_smap = true, privilege_check = true, sanitize_registers = true,
                        port_checks = true, flush_revoked = true, write_xor_execute = true,
                        check_rights = true, polled_calls = true, guard_copies = true, library_places = true,
                        beneath = true, read_only_mounts = true, policy_listen = true, policy_connect = true,
                        regular_files_only = true, descriptor_passing = true, memory_budget = true,
                        thread_budget = true, process_budget = true, descriptor_budget = true,
                        write_budget = true, mount_quota = true, cpu_budget = true, wall_budget = true;
};
#endif

}  // namespace osvm::unikernel
