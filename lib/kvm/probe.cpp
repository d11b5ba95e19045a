// The start-up probe: what KVM really does here, seen by running a VM of three pages.
#include "kvm/system_area.hpp"

#include <osvm/core/mapping.hpp>
#include <osvm/kvm/floor.hpp>
#include <osvm/kvm/host_facts.hpp>

#include "kvm/ioctl.hpp"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace osvm::kvm {
namespace {

using clock = std::chrono::steady_clock;
double us_since(clock::time_point t) {
  return std::chrono::duration<double, std::micro>(clock::now() - t).count();
}

constexpr std::uint64_t user_gpa = std::uint64_t{4} << 30;
constexpr std::uint64_t user_va = 0x400000;
// Offsets of the test programs in the user page.
constexpr std::uint64_t loop_code = 0;    // L: syscall; jmp L
constexpr std::uint64_t tsc_code = 0x40;  // rdtsc; rdi = 64-bit TSC; syscall
constexpr std::uint64_t kernel_code =
    0x1000;  // second page, supervisor: ecx = 400; L: dec ecx; jnz L; out 0x10, al

// A VM with one vCPU, one user code page and one supervisor code page.
class tiny_vm {
 public:
  static result<std::unique_ptr<tiny_vm>> create(const system& sys, syscall_stub stub) {
    auto t = std::make_unique<tiny_vm>(stub);
    OSVM_TRY(t->vm_, vm::create(sys));
    OSVM_CHECK(t->area_.start(std::uint64_t{1} << 20));
    if (!t->tables_.start() || !t->area_.map_into(t->tables_))
      return error(errc::probe_failed, "page tables");
    OSVM_TRY(t->user_, mapping::anonymous(2 * 4096));
    t->put_code();
    OSVM_CHECK(t->vm_.set_region(
        {.slot = 15, .guest_address = user_gpa, .host_address = t->user_.data(), .size = 8192}));
    if (!t->tables_.set(user_va, user_gpa | pte::present | pte::user) ||
        !t->tables_.set(user_va + 4096, (user_gpa + 4096) | pte::present)) {
      return error(errc::probe_failed, "page tables");
    }
    OSVM_TRY(t->cpu_, vcpu::create(sys, t->vm_, 0));
    OSVM_TRY(const auto how, t->area_.prepare_vcpu(0, t->tables_));
    OSVM_CHECK(t->cpu_->setup(sys, how.setup));
    return t;
  }
  explicit tiny_vm(syscall_stub stub)
      : stub_(stub),
        area_(
            [this](std::uint64_t gpa, void* host, std::uint64_t size) {
              return vm_.set_region(
                  {.slot = slot_++, .guest_address = gpa, .host_address = host, .size = size});
            },
            stub),
        tables_(area_) {}

  void start_at(std::uint64_t code) {
    registers r;
    r.rip = user_va + code;
    r.rflags = rflags::user_fixed;
    cpu_->enter_user(r);
  }
  void start_kernel() {
    registers r;
    r.rip = user_va + kernel_code;
    r.rflags = rflags::reserved1;
    cpu_->enter_kernel(r);
  }
  // A signal of the embedder's is no answer of KVM's.
  exit_info run() {
    exit_info e = cpu_->run();
    while (e.kind == exit_kind::interrupted) e = cpu_->run();
    return e;
  }
  vcpu& cpu() { return *cpu_; }
  // Back to the instruction after SYSCALL, as the engine does with stub B. With stub A SYSRETQ does it.
  void finish_call() {
    if (stub_ == syscall_stub::supervisor) return;
    cpu_->regs().rip = cpu_->regs().rcx;
    cpu_->put_regs();
  }

 private:
  void put_code() {
    const std::uint8_t loop[] = {0x0f, 0x05, 0xeb, 0xfc};
    const std::uint8_t tsc[] = {0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09,
                                0xd0, 0x48, 0x89, 0xc7, 0x0f, 0x05, 0xeb, 0xf0};
    const std::uint8_t kernel[] = {0xb9, 0x90, 0x01,         0,    0,   0xff, 0xc9, 0x75,
                                   0xfc, 0xe6, syscall_port, 0xeb, 0xf3};
    std::memcpy(user_.data() + loop_code, loop, sizeof loop);
    std::memcpy(user_.data() + tsc_code, tsc, sizeof tsc);
    std::memcpy(user_.data() + kernel_code, kernel, sizeof kernel);
  }

  syscall_stub stub_;
  vm vm_;
  unsigned slot_ = 0;
  mapping user_;
  system_area area_;
  page_tables tables_;
  std::optional<vcpu> cpu_;
};

bool is_call(const exit_info& e) {
  return e.kind == exit_kind::io && e.outgoing && e.port == syscall_port;
}

// Stub A's page is not executable at CPL 3: where SYSCALL does not raise the privilege, the fetch faults.
result<void> find_stub(const system& sys, host_facts& f) {
  OSVM_TRY(auto t, tiny_vm::create(sys, syscall_stub::supervisor));
  t->start_at(loop_code);
  const exit_info e = t->run();
  if (is_call(e) && t->cpu().cpl() == 0) {
    f.stub = syscall_stub::supervisor;
    const exit_info second = t->run();
    f.sysret_works = is_call(second) && t->cpu().cpl() == 0;
    if (!f.sysret_works)
      return error(errc::probe_failed, "SYSCALL enters CPL 0, but SYSRETQ does not return");
    return {};
  }
  if (e.kind == exit_kind::io && e.port == exception_port + 14) {
    f.stub = syscall_stub::user;
    return {};
  }
  return error(errc::probe_failed, "first SYSCALL gave exit kind " +
                                       std::to_string(static_cast<int>(e.kind)) + " port " +
                                       std::to_string(e.port));
}

result<double> median_exit_us(tiny_vm& t, std::size_t rounds) {
  std::vector<double> samples(rounds);
  t.start_at(loop_code);
  if (!is_call(t.run())) return error(errc::probe_failed, "the system-call stub did not exit as a call");
  for (double& s : samples) {
    const auto begin = clock::now();
    t.finish_call();
    if (!is_call(t.run())) return error(errc::probe_failed, "the second system call did not exit as one");
    s = us_since(begin);
  }
  std::nth_element(samples.begin(), samples.begin() + static_cast<long>(rounds / 2), samples.end());
  return samples[rounds / 2];
}

bool reads_host_tsc(tiny_vm& t) {
  for (int i = 0; i < 3; ++i) {
    t.start_at(tsc_code);
    const std::uint64_t before = __rdtsc();
    if (!is_call(t.run())) return false;
    const std::uint64_t after = __rdtsc();
    const std::uint64_t guest = t.cpu().regs().rdi;
    if (guest < before || guest > after) return false;
  }
  return true;
}

// 400 loop rounds at CPL 0: under a microsecond natively, most of a millisecond where each instruction is
// emulated.
bool emulates_cpl0(tiny_vm& t) {
  const auto begin = clock::now();
  t.start_kernel();
  (void)t.run();
  return us_since(begin) > 200;
}

std::string read_line(const char* path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("model name", 0) == 0) {
      const auto colon = line.find(": ");
      return colon == std::string::npos ? line : line.substr(colon + 2);
    }
  }
  return "unknown";
}

std::string vendor_module() {
  std::ifstream in("/proc/modules");
  for (std::string line; std::getline(in, line);) {
    for (const char* name : {"kvm_intel", "kvm_amd", "kvm_pvm"}) {
      if (line.rfind(std::string(name) + " ", 0) == 0) return name;
    }
  }
  // Built in rather than loaded: only then does /sys know it while /proc/modules does not.
  for (const char* name : {"kvm_intel", "kvm_amd", "kvm_pvm"}) {
    if (::access(("/sys/module/" + std::string(name)).c_str(), F_OK) == 0) return name;
  }
  return "unknown";
}

void read_host(host_facts& f) {
  f.cpu = cpu_model();
  cpu_set_t set;
  CPU_ZERO(&set);
  f.cores = ::sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<unsigned>(CPU_COUNT(&set)) : 1;
  utsname u{};
  if (::uname(&u) == 0) f.kernel = u.release;
  f.kvm_vendor = vendor_module();
  const std::string thp = read_line("/sys/kernel/mm/transparent_hugepage/enabled");
  f.huge_pages = thp.find("[always]") != std::string::npos || thp.find("[madvise]") != std::string::npos;
}

}  // namespace

result<floor_sample> measure_floor(syscall_stub stub) {
  floor_sample s;
  auto begin = clock::now();
  OSVM_TRY(const auto sys, system::open());
  begin = clock::now();
  OSVM_TRY(auto t, tiny_vm::create(sys, stub));
  t->start_at(loop_code);
  if (!is_call(t->run())) return error(errc::probe_failed, "first exit");
  s.first_exit_us = us_since(begin);
  OSVM_TRY(s.exit_us, median_exit_us(*t, 200));
  begin = clock::now();
  t.reset();
  s.close_us = us_since(begin);
  return s;
}

result<host_facts> probe_host() {
  const auto begin = clock::now();
  host_facts f;
  read_host(f);
  OSVM_TRY(const auto sys, system::open());
  f.system = sys.info();
  f.msr_filter = sys.check_extension(KVM_CAP_X86_MSR_FILTER) > 0;
  f.readonly_slots = sys.check_extension(KVM_CAP_READONLY_MEM) > 0;
  f.sync_regs = (sys.check_extension(KVM_CAP_SYNC_REGS) & 3) == 3;
  if (!f.sync_regs)
    return error(errc::missing_feature, "KVM_CAP_SYNC_REGS for registers and special registers");
  f.phys_bits = sys.phys_bits();
  f.max_vcpus = static_cast<unsigned>(std::max(1, sys.check_extension(KVM_CAP_MAX_VCPUS)));
  OSVM_CHECK(find_stub(sys, f));
  const auto floor_begin = clock::now();
  OSVM_TRY(auto t, tiny_vm::create(sys, f.stub));
  const std::uint64_t control = t->cpu().control4();
  f.smep = control & cr4::smep;
  f.smap = control & cr4::smap;
  f.fsgsbase = control & cr4::fsgsbase;
  t->start_at(loop_code);
  if (!is_call(t->run())) return error(errc::probe_failed, "the chosen stub did not exit");
  f.first_exit_us = us_since(floor_begin);
  OSVM_TRY(f.exit_us, median_exit_us(*t, 31));
  f.tsc_direct = reads_host_tsc(*t);
  f.tsc_khz = static_cast<std::uint64_t>(std::max(0, ::ioctl(t->cpu().fd(), nr::get_tsc_khz, 0)));
  f.cpl0_emulated = emulates_cpl0(*t);
  f.probe_ms = us_since(begin) / 1000;
  return f;
}

}  // namespace osvm::kvm
