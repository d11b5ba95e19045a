// The other half of each security test: with exactly one rule switched off, the same attack succeeds. Linked
// against the test variant of the library. Where a host's CPU makes a rule redundant, the test says so and
// skips.
#include "unikernel/controls.hpp"
#include "unikernel/guest_fixture.hpp"

#include <fstream>

namespace {

using namespace osvm;
using namespace osvm::test;

class control : public guest_test {
 protected:
  static bool stub_is_user() { return facts().stub == kvm::syscall_stub::user; }
};

#define NEEDS_USER_STUB()                                                                                  \
  if (!stub_is_user())                                                                                     \
  GTEST_SKIP() << "NOT APPLICABLE: SYSCALL enters CPL 0 on this host, so that the emulator's way into it " \
                  "does not exist"

// mov ss before SYSCALL drops the CPU into KVM's emulator, where SYSCALL sets CPL 0.
TEST_F(control, stack_segment_reaches_cpl_0_without_the_cpl_rules) {
  NEEDS_USER_STUB();
  const auto o = run("registers", {"stack_segment"}, [](auto& op) {
    op.controls.smep_smap = false;
    op.controls.privilege_check = false;
  });
  EXPECT_EQ(o.report.cause, exit_cause::exited) << o.describe();
  EXPECT_EQ(o.report.status, 66) << o.describe();
  EXPECT_NE(o.out.find("read at CPL 0"), std::string::npos) << o.describe();
}

TEST_F(control, each_cpl_rule_alone_holds_the_stack_segment) {
  NEEDS_USER_STUB();
  const auto no_smep = run("registers", {"stack_segment"}, [](auto& o) { o.controls.smep_smap = false; });
  EXPECT_EQ(no_smep.out.find("read at CPL 0"), std::string::npos) << no_smep.describe();
  EXPECT_NE(no_smep.report.cause, exit_cause::exited) << no_smep.describe();
  ASSERT_TRUE(no_smep.report.fault) << no_smep.describe();
  EXPECT_EQ(no_smep.report.fault->kind, fault_kind::privilege);
  const auto no_check =
      run("registers", {"stack_segment"}, [](auto& o) { o.controls.privilege_check = false; });
  EXPECT_EQ(no_check.out.find("read at CPL 0"), std::string::npos) << no_check.describe();
}

TEST_F(control, forged_calls_are_served_without_the_list) {
  if (!stub_is_user()) GTEST_SKIP() << "NOT APPLICABLE: with stub A programs cannot write the slot";
  auto o = run("ring_forge", {"exit"}, [](auto& op) {
    op.exitless = true;
    op.controls.polled_calls = false;
  });
  o.expect_exit(66);  // a forged exit_group ended the guest
}

class mmio_hole : public control, public ::testing::WithParamInterface<const char*> {};

// A guest at CPL 0 may do what it likes with its own page tables: a hole is still a guest fault, not a host
// error.
TEST_P(mmio_hole, is_a_named_guest_fault) {
  NEEDS_USER_STUB();
  const auto o = run("mmio", {GetParam()}, [](auto& op) {
    op.controls.smep_smap = false;
    op.controls.privilege_check = false;
  });
  EXPECT_NE(o.out.find("CPL 0\n"), std::string::npos) << "the control did not reach CPL 0\n" << o.describe();
  EXPECT_EQ(o.report.cause, exit_cause::faulted) << o.describe();
  ASSERT_TRUE(o.report.fault) << o.describe();
  EXPECT_TRUE(o.report.fault->kind == fault_kind::mmio || o.report.fault->kind == fault_kind::internal)
      << o.describe();
  run("hello").expect_exit(0);  // the host goes on
}
INSTANTIATE_TEST_SUITE_P(each, mmio_hole, ::testing::Values("read", "write", "execute"),
                         [](const auto& p) { return std::string(p.param); });

TEST_F(control, wrong_bases_are_accepted_without_register_checks) {
  const auto o =
      run("registers", {"base_by_arch_prctl"}, [](auto& op) { op.controls.sanitize_registers = false; });
  const bool accepted = o.out.find("accepted") != std::string::npos;
  const bool ended =
      o.report.cause != exit_cause::exited;  // KVM itself refuses some: then the guest dies of it
  EXPECT_TRUE(accepted || ended) << o.describe();
  const auto with = run("registers", {"base_by_arch_prctl"}).expect_exit(0);  // the rule makes the difference
  EXPECT_EQ(with.out.find("accepted"), std::string::npos) << with.describe();
}

TEST_F(control, wrong_instruction_pointers_are_loaded_without_register_checks) {
  // With the rule the VMM raises the fault that the CPU would; without it KVM is given what no CPU holds.
  const auto with = run("registers", {"sigreturn_non_canonical"}).expect_fault(fault_kind::protection);
  const auto without =
      run("registers", {"sigreturn_non_canonical"}, [](auto& op) { op.controls.sanitize_registers = false; });
  EXPECT_NE(without.report.cause, exit_cause::exited) << without.describe();
  EXPECT_NE(without.report.describe(), with.report.describe());
}

TEST_F(control, privileged_flags_are_loaded_without_register_checks) {
  const auto privileged = [](const outcome& o) { return o.hex("flags").value_or(0) & 0x7000; };
  const auto with = run("registers", {"sigreturn_shows_flags"}).expect_exit(0);
  ASSERT_TRUE(with.hex("flags")) << with.describe();
  EXPECT_EQ(privileged(with), 0) << with.describe();
  const auto without =
      run("registers", {"sigreturn_shows_flags"}, [](auto& op) { op.controls.sanitize_registers = false; });
  if (privileged(without) == 0 && without.report.cause == exit_cause::exited)
    GTEST_SKIP() << "NOT APPLICABLE: this host's KVM masks privileged flags by itself";
}

// IN on the system-call port with the checks off: KVM overwrites RAX and the guest carries on.
TEST_F(control, ports_carry_on_without_port_checks) {
  NEEDS_USER_STUB();
  for (const char* how : {"in8", "insb", "rep_insb"})
    run("ports", {how, "0x10"}, [](auto& o) { o.controls.port_checks = false; }).expect_exit(66);
}

class stale_control : public control, public ::testing::WithParamInterface<const char*> {};

TEST_P(stale_control, pages_stay_visible_without_the_flush) {
  // Seen on shadow-paging hosts; where KVM uses the guest's page tables itself, its TLB may or may not be
  // stale.
  if (facts().kvm_vendor != "kvm_pvm")
    GTEST_SKIP() << "NOT APPLICABLE: only shadow paging keeps stale entries reliably";
  run("stale", {GetParam()}, [](auto& o) { o.controls.flush_revoked = false; }).expect_exit(66);
}
INSTANTIATE_TEST_SUITE_P(each, stale_control,
                         ::testing::Values("unmap", "read_only", "remap_over", "protect_none"),
                         [](const auto& p) { return std::string(p.param); });

TEST_F(control, memory_becomes_executable_without_write_xor_execute) {
  run("write_execute", {}, [](auto& o) { o.controls.write_xor_execute = false; })
      .expect_exit(66)
      .expect_output_has("executable: mprotect RW -> RX");
}
// And the grant that users have for the same.
TEST_F(control, memory_becomes_executable_with_jit) {
  run("write_execute", {}, [](auto& o) { o.policy.allow.jit = true; })
      .expect_exit(66)
      .expect_output_has("executable: mprotect RW -> RX");
}

TEST_F(control, system_calls_write_into_code_without_the_rights_check) {
  run("pointers", {"nested"}, [](auto& o) { o.controls.check_rights = false; })
      .expect_exit(66)
      .expect_output_has("read into read-only page accepted");
}

// --- budgets ---

TEST_F(control, thread_budget) {
  const auto o = run("bombs", {"threads"}, [](auto& op) {
    op.budgets.threads = 4;
    op.controls.thread_budget = false;
    op.budgets.memory_bytes = 512 << 20;
  });
  EXPECT_GT(o.number("threads").value_or(0), 15) << o.describe();
}

TEST_F(control, process_budget) {
  const auto o = run("processes", {"bomb"}, [](auto& op) {
                   op.budgets.processes = 5;
                   op.controls.process_budget = false;
                 }).expect_exit(0);
  EXPECT_GT(o.number("made").value_or(0), 15) << o.describe();
}

TEST_F(control, memory_budget) {
  run("probe", {"allocate", "64"}, [](auto& o) {
    o.budgets.memory_bytes = 32 << 20;
  }).expect_output_lacks("allocated");
  run("probe", {"allocate", "64"},
      [](auto& o) {
        o.budgets.memory_bytes = 32 << 20;
        o.controls.memory_budget = false;
      })
      .expect_exit(0)
      .expect_output("allocated\n");
}

TEST_F(control, descriptor_budget) {
  const auto o = run("bombs", {"descriptors"}, [](auto& op) {
    op.budgets.descriptors = 20;
    op.controls.descriptor_budget = false;
  });
  EXPECT_GT(o.number("descriptors").value_or(0), 100) << o.describe();
}

TEST_F(control, write_budget) {
  std::filesystem::create_directory(dir + "/data");
  const auto o = run("probe", {"write", "/data/file", std::string(5000, 'x')}, [this](auto& op) {
    op.policy.mounts = {{dir + "/data", "/data", true}};
    op.budgets.written_bytes = 4096;
    op.controls.write_budget = false;
  });
  EXPECT_EQ(o.number("write"), 5000) << o.describe();
}

TEST_F(control, cpu_budget) {
  run("probe", {"burn", "400"}, [](auto& o) {
    o.budgets.cpu_time = 100ms;
  }).expect_cause(exit_cause::cpu_budget);
  run("probe", {"burn", "400"},
      [](auto& o) {
        o.budgets.cpu_time = 100ms;
        o.controls.cpu_budget = false;
      })
      .expect_exit(0)
      .expect_output("burnt\n");
}

TEST_F(control, wall_budget) {
  run("probe", {"nap", "400"}, [](auto& o) {
    o.budgets.wall_time = 100ms;
  }).expect_cause(exit_cause::wall_budget);
  run("probe", {"nap", "400"},
      [](auto& o) {
        o.budgets.wall_time = 100ms;
        o.controls.wall_budget = false;
      })
      .expect_exit(0)
      .expect_output("rested\n");
}

// --- files and ports by policy ---

class file_control : public control {
 protected:
  void SetUp() override {
    control::SetUp();
    if (IsSkipped()) return;
    std::filesystem::create_directory(dir + "/data");
    std::ofstream(dir + "/secret") << "secret";
    std::ofstream(dir + "/data/file") << "public";
    std::filesystem::create_symlink(dir + "/secret", dir + "/data/absolute");
    std::filesystem::create_symlink("../secret", dir + "/data/relative");
  }
  tweak mounted(bool writable, void (*change)(unikernel::test_controls&)) {
    return [this, writable, change](instance_options& o) {
      o.policy.mounts = {{dir + "/data", "/data", writable}};
      change(o.controls);
    };
  }
};

TEST_F(file_control, symbolic_links_lead_out_without_beneath) {
  for (const char* name : {"/data/relative", "/data/absolute"}) {
    run("probe", {"read", name}, mounted(false, [](auto&) {})).expect_output_lacks("secret");
  }
  run("probe", {"read", "/data/relative"}, mounted(false, [](auto& c) { c.beneath = false; }))
      .expect_output_has("content secret");
}

TEST_F(file_control, read_only_mounts_are_written_without_the_rule) {
  run("probe", {"write", "/data/file", "changed"}, mounted(false, [](auto&) {}))
      .expect_output_has("open -30");
  run("probe", {"write", "/data/file", "changed"},
      mounted(false, [](auto& c) { c.read_only_mounts = false; }))
      .expect_output_has("write 7");
}

TEST_F(file_control, fifos_open_without_regular_files_only) {
  ASSERT_EQ(::mkfifo((dir + "/data/fifo").c_str(), 0600), 0);
  run("probe", {"open", "/data/fifo", "0x802"}, mounted(true, [](auto&) {})).expect_output_lacks("open 0");
  run("probe", {"open", "/data/fifo", "0x802"}, mounted(true, [](auto& c) { c.regular_files_only = false; }))
      .expect_output_has("open 0");
}

TEST_F(control, listening_without_a_grant) {
  run("probe", {"listen", "8080", "0.0.0.0"}).expect_exit(0).expect_output_lacks("listen 0");
  run("probe", {"listen", "8080", "0.0.0.0"}, [](auto& o) { o.controls.policy_listen = false; })
      .expect_exit(0)
      .expect_output_has("listen 0");
}

TEST_F(control, connecting_without_a_grant) {
  // With the rule the answer is a denial; without it the call gets as far as the missing peer.
  const auto with = run("vsock_echo", {"--connect", "5000", "x"});
  const auto without =
      run("vsock_echo", {"--connect", "5000", "x"}, [](auto& o) { o.controls.policy_connect = false; });
  EXPECT_NE(with.err, without.err) << with.describe() << without.describe();
}

}  // namespace
