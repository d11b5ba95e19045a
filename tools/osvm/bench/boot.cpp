// From nothing to a program's end, to a server's first answer, and 200 of them at once; beside them the same
// program as a native process and raw KVM.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <optional>
#include <thread>

#include "../guest_programs.hpp"
#include "../http_get.hpp"
#include "bench.hpp"

namespace osvm::cli::bench {
namespace {

using namespace std::chrono_literals;
using unikernel::image;
using unikernel::instance;

constexpr unikernel::listener web{unikernel::transport::tcp, 8080};

struct hello_samples {
  std::vector<double> total, vm, memory, vcpu, start, boot, native;
  std::vector<double> in_worker, in_jail;  // create to exit
};

// The same with system calls served in another process.
result<double> run_apart_once(const environment& env, const image& hello, unikernel::worker_options where) {
  auto options = env.options("hello");
  options.worker = std::move(where);
  const stopwatch watch;
  OSVM_TRY(auto guest, instance::create(env.loop.get_executor(), hello, std::move(options)));
  OSVM_TRY(const auto ended, guest.wait(10s));
  const double total = watch.ms();
  if (ended.cause != unikernel::exit_cause::exited || ended.status != 0)
    return error(errc::malformed, "hello failed in a worker: " + ended.describe());
  return total;
}

result<void> run_hello_once(const environment& env, const image& hello, hello_samples& out) {
  auto options = env.options("hello");
  options.output = unikernel::stdio::capture(4096);
  const stopwatch watch;
  OSVM_TRY(auto guest, instance::create(env.loop.get_executor(), hello, std::move(options)));
  OSVM_TRY(const auto ended, guest.wait(10s));
  const double total = watch.ms();
  if (ended.cause != unikernel::exit_cause::exited || ended.status != 0 || guest.take_output(1).empty()) {
    return error(errc::malformed, "hello did not say hello: " + ended.describe());
  }
  const auto boot = guest.stats().boot;
  out.total.push_back(total);
  out.vm.push_back(to_ms(boot.vm));
  out.memory.push_back(to_ms(boot.memory));
  out.vcpu.push_back(to_ms(boot.vcpu));
  out.start.push_back(to_ms(boot.start));
  out.boot.push_back(to_ms(boot.total));
  return {};
}

result<void> run_native_once(const std::string& path, hello_samples& out) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  std::string name = path;
  char* argv[] = {name.data(), nullptr};
  char* envp[] = {nullptr};
  pid_t child = 0;
  int status = 0;
  const stopwatch watch;
  const int failed = ::posix_spawn(&child, path.c_str(), &actions, nullptr, argv, envp);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return errno_error("spawn " + path, failed);
  if (::waitpid(child, &status, 0) != child) return errno_error("waitpid");
  out.native.push_back(watch.ms());
  if (status != 0) return error(errc::malformed, path + " failed as a native process");
  return {};
}

result<void> measure_hello(const environment& env, report& out, unsigned rounds) {
  OSVM_TRY(const auto path, find_guest("hello"));
  OSVM_TRY(const auto worker, find_worker());
  OSVM_TRY(const auto hello, image::load(path));
  hello_samples samples;
  for (unsigned i = 0; i < rounds; ++i) {
    OSVM_CHECK(env.proceed());
    OSVM_CHECK(run_hello_once(env, hello, samples));
    OSVM_CHECK(run_native_once(path, samples));
    OSVM_TRY(const double apart, run_apart_once(env, hello, {.program = worker}));
    OSVM_TRY(const double jailed, run_apart_once(env, hello, {.program = worker, .jail = true}));
    samples.in_worker.push_back(apart);
    samples.in_jail.push_back(jailed);
  }
  out.samples("hello.create_to_exit", "ms", samples.total);
  out.samples("hello.boot", "ms", samples.boot);
  out.samples("hello.boot.vm", "ms", samples.vm);
  out.samples("hello.boot.memory", "ms", samples.memory);
  out.samples("hello.boot.vcpu", "ms", samples.vcpu);
  out.samples("hello.boot.start", "ms", samples.start);
  out.samples("native.fork_exec_exit", "ms", samples.native);
  out.samples("worker.create_to_exit", "ms", samples.in_worker);
  out.samples("jail.create_to_exit", "ms", samples.in_jail);
  return {};
}

unikernel::instance_options web_options(const environment& env, const std::string& name) {
  auto options = env.options(name);
  options.arguments = {"http_server", "8080", "v1"};
  options.policy.listen = {web};
  options.budgets.memory_bytes = std::uint64_t{64} << 20;
  return options;
}

result<void> measure_first_answer(const environment& env, report& out, const image& server, unsigned rounds) {
  std::vector<double> samples;
  for (unsigned i = 0; i < rounds; ++i) {
    OSVM_CHECK(env.proceed());
    const stopwatch watch;
    OSVM_TRY(auto guest, instance::create(env.loop.get_executor(), server, web_options(env, "first")));
    OSVM_TRY(const auto where, guest.wait_listening(web, 10s));
    OSVM_TRY(const auto body, http_get(where, "/", 10s));
    samples.push_back(watch.ms());
    if (body.find("v1") == std::string::npos)
      return error(errc::malformed, "the first answer is not the server's");
  }
  out.samples("http.create_to_first_answer", "ms", samples);
  return {};
}

// Bytes behind a "Name:   123 kB" line of a /proc file.
double proc_kb(const char* file, const std::string& name) {
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    if (line.starts_with(name)) return std::stod(line.substr(name.size())) * 1024;
  }
  return 0;
}
// Starts `guests.size()` servers from all cores at once; returns when the last one listens.
result<std::vector<endpoint>> start_all(const environment& env, const image& server,
                                        std::vector<std::optional<instance>>& guests) {
  std::vector<endpoint> where(guests.size());
  std::vector<std::string> failures(guests.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < guests.size(); i = next++) {
      auto made =
          instance::create(env.loop.get_executor(), server, web_options(env, "m" + std::to_string(i)));
      if (!made) {
        failures[i] = made.error().to_string();
        continue;
      }
      guests[i].emplace(std::move(*made));
    }
  };
  {
    std::vector<std::jthread> starters;
    for (unsigned t = 1; t < std::max(1U, env.facts.cores); ++t) starters.emplace_back(work);
    work();
  }
  for (std::size_t i = 0; i < guests.size(); ++i) {
    if (!guests[i])
      return error(errc::limit_exceeded, "start of instance " + std::to_string(i) + ": " + failures[i]);
    OSVM_TRY(where[i], guests[i]->wait_listening(web, 30s));
  }
  return where;
}

// What many servers at once cost, one row a round.
struct many_costs {
  std::vector<double> start, memory, touched, resident, stop;
  unsigned dead = 0;
};

result<void> start_and_stop_many(const environment& env, const image& server, unsigned count,
                                 many_costs& to) {
  const double available = memory_available();
  const double resident = resident_set();
  std::vector<std::optional<instance>> guests(count);
  OSVM_CHECK(env.proceed());
  const stopwatch watch;
  OSVM_TRY(const auto where, start_all(env, server, guests));
  to.start.push_back(watch.ms());
  OSVM_CHECK(env.proceed());
  for (const auto& w : where) to.dead += http_get(w, "/", 10s) ? 0 : 1;
  // Everything that the host lost, the pages that the guest touched included: an upper bound of the cost of a
  // VM.
  to.memory.push_back((available - memory_available()) / count / 1024);
  double touched = 0;
  for (const auto& g : guests) touched += static_cast<double>(g->stats().memory_bytes) / count;
  to.touched.push_back(touched / 1024);
  to.resident.push_back((resident_set() - resident) / count / 1024);
  const stopwatch ending;
  for (auto& g : guests) g->kill();
  guests.clear();
  to.stop.push_back(ending.ms());
  return {};
}

result<void> measure_many(const environment& env, report& out, const image& server, unsigned count) {
  // MemAvailable moves for other reasons, too: the median of some rounds stands.
  constexpr unsigned rounds = 5;
  many_costs costs;
  for (unsigned i = 0; i < rounds; ++i) OSVM_CHECK(start_and_stop_many(env, server, count, costs));
  const std::string prefix = "many" + std::to_string(count);
  out.samples(prefix + ".start", "ms", costs.start);
  out.must_be_zero(prefix + ".dead", "VMs", costs.dead);
  out.samples(prefix + ".memory_per_vm", "KiB", costs.memory);
  out.samples(prefix + ".guest_pages_per_vm", "KiB", costs.touched);
  out.samples(prefix + ".rss_per_vm", "KiB", costs.resident);
  out.samples(prefix + ".stop", "ms", costs.stop);
  return {};
}

}  // namespace

double memory_available() {
  return proc_kb("/proc/meminfo", "MemAvailable:");
}
double resident_set() {
  return proc_kb("/proc/self/status", "VmRSS:");
}

result<void> measure_boot(environment& env, report& out, const boot_options& options) {
  if (options.hello_rounds > 0) OSVM_CHECK(measure_hello(env, out, options.hello_rounds));
  OSVM_TRY(const auto path, find_guest("http_server"));
  OSVM_TRY(const auto server, image::load(path));
  if (options.http_rounds > 0) OSVM_CHECK(measure_first_answer(env, out, server, options.http_rounds));
  if (options.alive > 0) {
    // The server's musl build: glibc's start-up runs about a hundred CPUID instructions, each of which traps
    // twice on a nested host, and that is not what starting many VMs measures.
    OSVM_TRY(const auto small_path, find_guest("http_server_musl"));
    OSVM_TRY(const auto small, image::load(small_path));
    OSVM_CHECK(measure_many(env, out, small, options.alive));
  }
  return {};
}

}  // namespace osvm::cli::bench
