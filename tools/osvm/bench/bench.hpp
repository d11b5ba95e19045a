// The measurements. Each adds rows to a report; `bench headline` runs several into one. A failure of the
// set-up is an error; a failure of what is measured is a row or report::fail().
#pragma once

#include <osvm/core/runtime.hpp>
#include <osvm/unikernel/instance.hpp>

#include <functional>
#include <memory>
#include <string>

#include "../interrupts.hpp"
#include "../private_dir.hpp"
#include "report.hpp"

namespace osvm::cli::bench {

// What all benches of one run share.
struct environment {
  static result<std::unique_ptr<environment>> make();

  runtime loop{{.threads = 2}};
  kvm::host_facts facts;
  private_dir sockets;

  unikernel::instance_options options(const std::string& name) const;
  // The error errc::cancelled once Ctrl-C came. Asked before every round, so that what a round owns is given
  // back.
  result<void> proceed() const;
  int interrupted_by() const noexcept { return signals_.received(); }

 private:
  environment(kvm::host_facts f, private_dir d);
  interrupts signals_;
};

// Sets a bench up, measures, prints, and gives the exit status: 128+n when a signal ended it. A second signal
// ends the process at once.
int run(const context& ctx, std::string name,
        const std::function<result<void>(environment&, report&)>& measure);

// kvm.floor.first_exit and kvm.floor.exit: raw KVM of the same moment, in ms and us.
result<void> measure_floor(const environment& env, report& out, unsigned rounds);

struct boot_options {
  unsigned hello_rounds = 200;
  unsigned http_rounds = 50;
  unsigned alive = 200;
};
result<void> measure_boot(environment& env, report& out, const boot_options& options);

struct vsock_options {
  unsigned round_trips = 5000;
  unsigned stream_rounds = 5;
  std::uint64_t stream_bytes = std::uint64_t{64} << 20;
};
result<void> measure_vsock(environment& env, report& out, const vsock_options& options);
// 64 bytes between two guests, beside loopback TCP and veth pairs in a bridge.
result<void> measure_vm2vm(environment& env, report& out, unsigned rounds);

// Programs of the distribution beside the same binaries natively.
struct program_parts {
  bool starts = true, redis = true, web = true, work = true;
};
result<void> measure_programs(environment& env, report& out, const program_parts& parts, unsigned rounds);

struct swap_options {
  unsigned shifts = 20;
  double rate = 2200;  // requests per second
  unsigned connections = 16;
  std::chrono::milliseconds pause{100};  // between shifts: traffic must meet every release
};
result<void> measure_swap(environment& env, report& out, const swap_options& options);
// The same server stopped and started again behind the same load, as people do without osvm.
result<void> measure_restart(environment& env, report& out, const swap_options& options);

result<void> measure_kill(environment& env, report& out, unsigned rounds);

// System calls of a guest beside the same program as a native process: microseconds each.
result<void> measure_syscalls(environment& env, report& out, unsigned rounds);
result<void> measure_forks(environment& env, report& out, unsigned rounds);

struct template_options {
  unsigned rounds = 50;
  unsigned alive = 1000;  // clones at once; 0: not measured
};
result<void> measure_templates(environment& env, report& out, const template_options& options);
// Bytes that the host has left (MemAvailable), and those that this process holds (VmRSS).
double memory_available();
double resident_set();

}  // namespace osvm::cli::bench
