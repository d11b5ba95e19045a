// Guests that attack. Each must be contained: it ends with a named fault, or goes on without what it wanted.
// That the attacks are real is shown by controls_test.cpp, where one rule at a time is switched off.
#include "unikernel/guest_fixture.hpp"

#include <csignal>

namespace {

using namespace osvm;
using namespace osvm::test;

class hostile : public guest_test {};

// --- exceptions and privileged instructions ---

struct cpu_fault {
  const char* name;
  std::vector<fault_kind>
      kinds;  // any of these: hosts differ in which exception a privileged instruction raises
  int signal;
};
void PrintTo(const cpu_fault& f, std::ostream* out) {
  *out << f.name;
}

class cpu_faults : public hostile, public ::testing::WithParamInterface<cpu_fault> {};

TEST_P(cpu_faults, end_the_guest_by_name) {
  const auto& f = GetParam();
  const auto o = run("cpu_faults", {f.name});
  EXPECT_EQ(o.report.cause, exit_cause::faulted) << o.describe();
  ASSERT_TRUE(o.report.fault) << o.describe();
  EXPECT_NE(std::find(f.kinds.begin(), f.kinds.end(), o.report.fault->kind), f.kinds.end())
      << to_string(o.report.fault->kind) << "\n"
      << o.describe();
  if (f.signal) {
    EXPECT_EQ(o.report.signal, f.signal) << o.describe();
  }
}

const std::vector<fault_kind> privileged = {fault_kind::protection, fault_kind::illegal};
const cpu_fault cpu_fault_table[] = {
    {"null_read", {fault_kind::page_fault}, SIGSEGV},
    {"null_write", {fault_kind::page_fault}, SIGSEGV},
    {"null_call", {fault_kind::page_fault}, SIGSEGV},
    {"kernel_read", {fault_kind::page_fault, fault_kind::protection}, SIGSEGV},
    {"supervisor_read", {fault_kind::page_fault}, SIGSEGV},
    {"supervisor_write", {fault_kind::page_fault}, SIGSEGV},
    {"stub_write", {fault_kind::page_fault}, SIGSEGV},
    {"exception_stub_call", {fault_kind::page_fault}, SIGSEGV},
    {"non_canonical", {fault_kind::protection}, SIGSEGV},
    {"write_code", {fault_kind::page_fault}, SIGSEGV},
    {"run_data", {fault_kind::page_fault}, SIGSEGV},
    {"run_stack", {fault_kind::page_fault}, SIGSEGV},
    {"run_heap", {fault_kind::page_fault}, SIGSEGV},
    {"stack_overflow", {fault_kind::page_fault}, SIGSEGV},
    {"divide", {fault_kind::arithmetic}, SIGFPE},
    {"undefined", {fault_kind::illegal}, SIGILL},
    {"breakpoint", {fault_kind::trap}, SIGTRAP},
    {"halt", {fault_kind::protection, fault_kind::halted}, SIGSEGV},
    {"interrupt_80", privileged, 0},
    {"interrupt_14", privileged, 0},
    {"interrupt_13", privileged, 0},
    {"interrupt_8", privileged, 0},
    {"interrupt_2", privileged, 0},
    {"sysenter", privileged, 0},
    {"disable_interrupts", privileged, 0},
    {"read_msr", privileged, 0},
    {"write_msr", privileged, 0},
    {"read_cr0", privileged, 0},
    {"write_cr3", privileged, 0},
    {"read_dr", privileged, 0},
    {"swap_gs", privileged, 0},
    {"load_gdt", privileged, 0},
    {"load_tr", privileged, 0},
    {"return_to_kernel", privileged, 0},
    {"far_kernel", privileged, 0},
    {"sysret", privileged, 0},
    {"load_kernel_ss", privileged, 0},
    {"unmasked_simd", {fault_kind::arithmetic}, SIGFPE},
    {"unmasked_x87", {fault_kind::arithmetic}, SIGFPE},
    {"bad_mxcsr", privileged, 0},
    {"unaligned", {fault_kind::alignment}, SIGBUS},
    {"single_step", {fault_kind::trap}, SIGTRAP},
    {"monitor", privileged, 0},
    {"invalid_xsetbv", privileged, 0},
    {"invlpg", privileged, 0},
};

INSTANTIATE_TEST_SUITE_P(each, cpu_faults, ::testing::ValuesIn(cpu_fault_table),
                         [](const auto& p) { return std::string(p.param.name); });

// A hypercall is refused in place, or ends the guest; KVM may not patch the instruction to the vendor's own
// (where it cannot be told so it may try).
TEST_F(hostile, hypercalls) {
  for (const char* name : {"vmcall", "vmmcall"}) {
    const auto o = run("cpu_faults", {name});
    EXPECT_TRUE(o.report.cause == exit_cause::faulted ||
                (o.report.status == 66 && o.out.find("answer -") != std::string::npos))
        << o.describe();
  }
}

TEST_F(hostile, page_faults_carry_their_address) {
  EXPECT_EQ(run("cpu_faults", {"null_read"}).report.fault.value().address, 8u);
  EXPECT_EQ(run("cpu_faults", {"supervisor_read"}).report.fault.value().address, 0x7fffc0000000u);
  const auto o = run("cpu_faults", {"run_data"});
  EXPECT_EQ(o.report.fault.value().address, static_cast<std::uint64_t>(o.hex("data_page").value_or(0)));
  EXPECT_EQ(o.report.fault.value().rip, o.report.fault.value().address);
}

// --- registers at system calls ---

class register_games : public hostile, public ::testing::WithParamInterface<const char*> {};

TEST_P(register_games, stay_contained) {
  const auto o = run("registers", {GetParam()});
  if (o.report.cause == exit_cause::exited) {
    EXPECT_EQ(o.report.status, 0) << o.describe();
  } else {
    EXPECT_TRUE(o.report.cause == exit_cause::faulted || o.report.cause == exit_cause::signaled)
        << o.describe();
  }
  EXPECT_EQ(o.out.find("CPL 0"), std::string::npos) << o.describe();
  EXPECT_EQ(o.out.find("accepted"), std::string::npos) << o.describe();
}

INSTANTIATE_TEST_SUITE_P(
    each, register_games,
    ::testing::Values("stack_segment", "data_segments", "stack_pointer_non_canonical", "stack_pointer_kernel",
                      "stack_pointer_supervisor", "stack_pointer_zero", "flag_nested_task",
                      "flag_io_privilege", "flag_direction", "flag_alignment", "flag_identification",
                      "flag_trap_at_syscall", "base_by_arch_prctl", "base_by_instruction",
                      "gs_base_by_instruction", "base_by_clone", "sigreturn_to_kernel_half",
                      "sigreturn_non_canonical", "sigreturn_kernel_segment", "sigreturn_flags",
                      "sigreturn_all_flags", "sigreturn_wild_fp", "sigreturn_broken_fp",
                      "sigreturn_wild_stack", "last_bytes", "stub_call", "stub_call_back", "stub_middle"),
    [](const auto& p) { return std::string(p.param); });

// A system call with an odd stack pointer or odd flags works as on Linux, since the stub uses no stack.
TEST_F(hostile, a_system_call_needs_no_stack) {
  for (const char* name : {"stack_pointer_non_canonical", "stack_pointer_kernel", "stack_pointer_supervisor",
                           "stack_pointer_zero", "flag_direction", "flag_alignment", "flag_identification"})
    run("registers", {name}).expect_exit(0);
}

// --- ports ---

class port_games : public hostile,
                   public ::testing::WithParamInterface<std::tuple<const char*, const char*>> {};

TEST_P(port_games, are_faults_with_a_name) {
  run("ports", {std::get<0>(GetParam()), std::get<1>(GetParam())})
      .expect_fault({fault_kind::bad_port, fault_kind::protection});
}

INSTANTIATE_TEST_SUITE_P(
    each, port_games,
    ::testing::Combine(::testing::Values("in8", "in16", "in32", "out8", "out16", "out32", "insb", "rep_insb",
                                         "outsb", "rep_outsb", "rep_outsl"),
                       ::testing::Values("0x10", "0xf", "0x11", "0x80", "0x8e", "0x3f8", "0xcf8", "0xffff")),
    [](const auto& p) { return std::string(std::get<0>(p.param)) + "_port_" + std::get<1>(p.param); });

// --- stale pages ---

class stale_pages : public hostile, public ::testing::WithParamInterface<const char*> {};

TEST_P(stale_pages, are_gone_for_the_other_thread) {
  const std::string name = GetParam();
  for (int round = 0; round < 3; ++round) {
    auto o = run("stale", {name});
    if (name == "remap_over" || name == "dont_need" || name == "moved_away") {
      if (o.report.cause == exit_cause::faulted && name == "moved_away")
        continue;  // read in between: also right
      o.expect_exit(0);
      continue;
    }
    o.expect_fault(fault_kind::page_fault);
    ASSERT_TRUE(o.report.fault);
    EXPECT_EQ(o.report.fault->address & ~0xfffull, static_cast<std::uint64_t>(o.hex("page").value_or(0)))
        << o.describe();
  }
}

INSTANTIATE_TEST_SUITE_P(each, stale_pages,
                         ::testing::Values("unmap", "protect_none", "read_only", "remap_over", "moved_away",
                                           "dont_need", "code_to_data", "read_only_then_reuse"),
                         [](const auto& p) { return std::string(p.param); });

// --- the rest ---

TEST_F(hostile, memory_is_writable_or_executable) {
  run("write_execute").expect_exit(0).expect_output("no way\n");
}

TEST_F(hostile, wrong_pointers_one_at_a_time) {
  run("pointers", {"each"}).expect_exit(0);
}
TEST_F(hostile, wrong_pointers_inside_structures) {
  run("pointers", {"nested"}).expect_exit(0);
}
TEST_F(hostile, wrong_pointers_everywhere) {
  run("pointers", {"all"}).expect_exit(0);
}
TEST_F(hostile, unknown_system_calls) {
  run("pointers", {"unknown"}).expect_exit(0).expect_output("ENOSYS\n");
}

TEST_F(hostile, thread_bomb) {
  const auto o = run("bombs", {"threads"}, [](auto& op) { op.budgets.threads = 16; }).expect_exit(0);
  EXPECT_EQ(o.number("threads"), 15) << o.describe();
  EXPECT_NE(o.out.find("error -11"), std::string::npos) << o.describe();
}

TEST_F(hostile, memory_bombs) {
  const auto small = [](auto& o) { o.budgets.memory_bytes = 48 << 20; };
  for (const char* name : {"memory_touch", "memory_huge"}) {
    const auto o = run("bombs", {name}, small);
    EXPECT_TRUE(o.report.cause == exit_cause::memory_budget ||
                (o.report.cause == exit_cause::exited && o.report.status == 0))
        << o.describe();
    EXPECT_LE(o.stats.memory_peak_bytes, std::uint64_t{48} << 20) << o.describe();
    EXPECT_LT(o.number("MiB").value_or(0), 48) << o.describe();
  }
  const auto o = run("bombs", {"memory_brk"}, small);
  EXPECT_TRUE(o.report.cause == exit_cause::memory_budget || o.report.status == 0) << o.describe();
  EXPECT_LE(o.stats.memory_peak_bytes, std::uint64_t{48} << 20);
}

TEST_F(hostile, page_table_bomb) {
  const auto o = run("bombs", {"page_tables"}, [](auto& op) { op.budgets.memory_bytes = 16 << 20; });
  EXPECT_EQ(o.out.find("16384 tables"), std::string::npos) << "64 MiB of page tables in a budget of 16\n"
                                                           << o.describe();
  EXPECT_LE(o.stats.memory_peak_bytes + o.stats.page_table_bytes, std::uint64_t{40} << 20) << o.describe();
}

TEST_F(hostile, mapping_bomb) {
  const auto o = run("bombs", {"mappings"}).expect_exit(0);
  EXPECT_LE(o.number("mappings").value_or(1 << 20), 65536) << o.describe();
}

TEST_F(hostile, descriptor_bombs) {
  const auto few = [](auto& o) { o.budgets.descriptors = 20; };
  for (const char* name : {"descriptors", "duplicates"}) {
    const auto o = run("bombs", {name}, few).expect_exit(0);
    EXPECT_EQ(o.number("descriptors"), 17) << o.describe();
    EXPECT_NE(o.out.find("error -24"), std::string::npos) << o.describe();
  }
}

TEST_F(hostile, pipes_and_memory_files_count_as_memory) {
  const auto small = [](auto& o) { o.budgets.memory_bytes = 8 << 20; };
  const auto pipes = run("bombs", {"pipes"}, small);
  EXPECT_LE(pipes.number("KiB").value_or(1 << 30), 8 << 10) << pipes.describe();
  const auto files = run("bombs", {"memory_files"}, small);
  EXPECT_LE(files.number("MiB").value_or(0), 8) << files.describe();
  const auto segments = run("bombs", {"segments"}, small);
  EXPECT_LE(segments.number("MiB").value_or(0), 8) << segments.describe();
  const auto many =
      run("bombs", {"segments"}, [](auto& o) { o.budgets.memory_bytes = std::uint64_t{1} << 30; });
  EXPECT_EQ(many.number("MiB"), 128) << many.describe();
  EXPECT_EQ(many.number("error"), -ENOSPC) << many.describe();
}

TEST_F(hostile, disk_bomb) {
  std::filesystem::create_directory(dir + "/data");
  const auto o = run("bombs", {"disk", "/data/bomb"}, [this](auto& op) {
    op.policy.mounts = {{dir + "/data", "/data", true}};
    op.budgets.written_bytes = 1 << 20;
  });
  EXPECT_LE(o.number("bytes").value_or(1 << 30), 1 << 20) << o.describe();
  EXPECT_NE(o.out.find("error -28"), std::string::npos) << o.describe();
  // Holes cost nothing and are not counted; blocks are.
  struct stat s {};
  ASSERT_EQ(::stat((dir + "/data/bomb").c_str(), &s), 0);
  EXPECT_LE(s.st_blocks * 512, (1 << 20) + 65536) << o.describe();
}

}  // namespace
