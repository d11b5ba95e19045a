// How a guest ended, and what it used. Plain values.
#pragma once

#include <osvm/unikernel/libraries.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace osvm::unikernel {

// Why a guest that did not exit by itself was ended.
enum class fault_kind : std::uint8_t {
  page_fault,  // access to memory that is not mapped, or not so
  protection,  // general protection, stack or segment fault
  illegal,     // undefined instruction
  arithmetic,  // divide error, x87 or SIMD exception
  trap,        // breakpoint or single step
  alignment,
  double_fault,
  bad_port,   // IN/OUT/INS/OUTS on the system-call port in a form that is no system call, or on another port
  mmio,       // touched or executed a guest-physical hole
  privilege,  // a system call arrived at CPL 0
  halted,
  triple_fault,
  internal,  // KVM could not go on (KVM_EXIT_INTERNAL_ERROR, FAIL_ENTRY)
};

struct fault_info {
  fault_kind kind = fault_kind::internal;
  unsigned vector = 0;           // x86 exception vector where there is one
  std::uint64_t error_code = 0;  // as pushed by the CPU
  std::uint64_t address = 0;     // CR2 for page faults, else 0
  std::uint64_t rip = 0, rsp = 0, rflags = 0;
  std::array<std::uint64_t, 16> gpr{};  // rax rbx rcx rdx rsi rdi rbp rsp r8..r15
  int thread = 0;                       // guest thread id
  std::string detail;                   // for example the port or the KVM sub-error
};

enum class exit_cause : std::uint8_t {
  exited,    // exit_group or the last thread's exit: `status`
  signaled,  // ended by a signal that it or the embedder sent: `signal`
  faulted,   // `fault`; `signal` is the signal Linux would have sent
  killed,    // by the embedder: kill(), or the handle was destroyed
  memory_budget,
  cpu_budget,
  wall_budget,
  failed,  // the host could not go on (for example out of memory); `detail`
};

struct exit_report {
  exit_cause cause = exit_cause::exited;
  int status = 0;
  int signal = 0;
  std::optional<fault_info> fault;
  std::string detail;

  // As a shell prints it: the status, or 128 + signal. killed and budgets count as SIGKILL (137), `failed` as
  // 125.
  int shell_status() const noexcept;
  // One line for people, with the fault's address and registers when there is one.
  std::string describe() const;
};

const char* to_string(exit_cause cause) noexcept;
const char* to_string(fault_kind kind) noexcept;

// Where boot time went. Each is a duration; `total` runs from create() to the guest's first instruction.
struct boot_phases {
  std::chrono::nanoseconds vm{0};      // KVM_CREATE_VM and the system slot
  std::chrono::nanoseconds memory{0};  // image mapping, user slots, page tables
  std::chrono::nanoseconds vcpu{0};    // vCPU creation and set-up
  std::chrono::nanoseconds start{0};   // thread start to the first entry
  std::chrono::nanoseconds total{0};
};

struct denial {
  std::string what;  // system call and argument, for example "openat /etc/shadow" (escaped)
  std::string rule;  // what would grant it, for example "--ro HOST:/etc/shadow"
  std::uint64_t count = 0;
};

// A snapshot of counters. Consistent per field, not across fields, while the guest runs.
struct instance_stats {
  boot_phases boot;
  std::uint64_t exits = 0;                                      // returns from KVM_RUN
  std::uint64_t polled_calls = 0;                               // system calls answered without an exit
  std::uint64_t page_faults = 0;                                // guest faults served by handing out memory
  std::vector<std::pair<std::string, std::uint64_t>> syscalls;  // by name, most frequent first
  std::vector<denial> denials;
  std::vector<library_grant> granted;    // by instance_options::grant_libraries
  std::vector<library_refusal> refused;  // what that named, but did not grant
  std::uint64_t memory_bytes = 0;        // guest pages handed out now
  std::uint64_t memory_peak_bytes = 0;
  std::uint64_t resident_bytes = 0;  // of those, what the host has populated (mincore)
  std::uint64_t page_table_bytes = 0;
  unsigned threads = 0;
  std::uint64_t processes_started = 0;  // the first included
  unsigned descriptors = 0;
  std::uint64_t written_bytes = 0;
  // Over TCP (the guest's own loopback included), vsock, and the host's unix sockets; not between unix
  // sockets of the guest.
  std::uint64_t socket_received_bytes = 0, socket_sent_bytes = 0;
  std::chrono::nanoseconds cpu_time{0};
  std::uint64_t events_dropped = 0;
};

}  // namespace osvm::unikernel
