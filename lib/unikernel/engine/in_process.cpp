// Making and ending an instance. Its processes are in guest_process.hpp.
#include "unikernel/engine/in_process.hpp"

#include "unikernel/elf/closure.hpp"
#include "unikernel/engine/process_setup.hpp"
#include "unikernel/files/stdio.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/policy/recorder.hpp"
#include "unikernel/process/loader.hpp"
#include "unikernel/thread/signals_blocked.hpp"

#include <osvm/vsock/fd_queue.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

namespace osvm::unikernel {
namespace {

using clock_type = std::chrono::steady_clock;
constexpr unsigned max_processes = 4096;

std::uint64_t effective_memory_budget(const instance_options& o) {
#ifdef OSVM_TEST_CONTROLS
  if (!o.controls.memory_budget) return std::uint64_t{64} << 30;
#endif
  return o.budgets.memory_bytes;
}

budgets effective_budgets(const instance_options& o) {
  budgets b = o.budgets;
#ifdef OSVM_TEST_CONTROLS
  if (!o.controls.descriptor_budget) b.descriptors = 4096;
#endif
  return b;
}

// A program that is a symbolic link (/usr/bin/python3) is also there under the name by which it was called.
void grant_typed_name(const instance_options& options, const image_info& program, open_closure& closure) {
  if (closure.files.empty() || options.arguments.empty() || !options.arguments[0].starts_with('/')) return;
  const std::string& typed = options.arguments[0];
  if (typed == program.path || typed.find("..") != std::string::npos) return;
  std::error_code ignored;
  if (std::filesystem::canonical(typed, ignored) != program.path) return;
  closure.files.push_back({{program.path, typed, program.path}, closure.files[0].object.duplicate()});
}

std::vector<std::string> split_path_list(const std::string& text) {
  std::vector<std::string> all;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(':', begin), text.size());
    if (end > begin && text[begin] == '/') all.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return all;
}

// Every folder of the host's root but those of its kernel, beside what was granted.
instance_options with_everything(const instance_options& given) {
  instance_options o = given;
  o.policy.allow.jit = true;
  if (!o.policy.trees.empty()) return o;  // an image is its own root
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator("/", ec)) {
    const std::string path = entry.path().string();
    std::error_code ignored;
    if (path == "/proc" || path == "/sys" || path == "/dev" || path == "/run") continue;
    if (!entry.is_directory(ignored) && !entry.is_regular_file(ignored)) continue;
    const auto same = [&](const mount& m) { return m.guest_path == path || m.guest_path == "/"; };
    if (std::any_of(given.policy.mounts.begin(), given.policy.mounts.end(), same)) continue;
    const auto& scratch = given.policy.scratch;
    if (std::any_of(scratch.begin(), scratch.end(), [&](const tmpfs& t) { return t.guest_path == path; }))
      continue;
    o.policy.mounts.push_back({.host_path = path, .guest_path = path, .writable = true});
  }
  return o;
}

}  // namespace

result<void> in_process_engine::check_options(const instance_options& o) {
  if (o.level != isolation::hardware) return error(errc::isolation_unsupported, "process isolation");
  const budgets& b = o.budgets;
  if (b.memory_bytes < (1U << 20)) return error(osvm::errc::invalid_argument, "memory budget below 1 MiB");
  if (b.threads == 0 || b.threads > kvm::max_vcpus) {
    return error(osvm::errc::invalid_argument, fmt::format("thread budget must be 1..{}", kvm::max_vcpus));
  }
  if (o.events.capacity == 0 || o.events.capacity > 65536) {
    return error(osvm::errc::invalid_argument, "event capacity must be 1..65536");
  }
  if (b.processes == 0 || b.processes > max_processes)
    return error(osvm::errc::invalid_argument, fmt::format("process budget must be 1..{}", max_processes));
  if (b.descriptors < 3) return error(osvm::errc::invalid_argument, "descriptor budget below 3");
  if (o.name.empty() || o.name.find('/') != std::string::npos || o.name.size() > 64) {
    return error(osvm::errc::invalid_argument, "instance name must be 1..64 characters without '/'");
  }
  if (!o.policy.listen.empty() && o.socket_dir.empty())
    return error(errc::bad_policy, "listeners need a socket_dir");
  for (const listener& l : o.policy.listen) {
    if (l.port == 0 || (l.kind == transport::tcp && l.port > 65535))
      return error(errc::bad_policy, "listener port");
  }
  for (const std::string& e : o.policy.environment) {
    if (e.find('=') == std::string::npos || e.front() == '=')
      return error(errc::bad_policy, "environment entry without NAME=");
  }
  return {};
}

in_process_engine::in_process_engine(executor ex, image program, const instance_options& options)
    : engine_base(std::move(ex)),
      image_(std::move(program)),
      options_(options),
      given_policy_(options.policy),
      created_(clock_type::now()) {}

in_process_engine::~in_process_engine() {
  shut_down();
}

result<std::shared_ptr<engine>> in_process_engine::create(executor ex, const image& program,
                                                          const instance_options& options,
                                                          const engine_setup& setup) {
  OSVM_CHECK(check_options(options));
  if (options.learn == learning::allow_all) {
    const instance_options open = with_everything(options);
    auto e = std::make_shared<in_process_engine>(std::move(ex), program, open);
    e->given_policy_ = options.policy;
    OSVM_CHECK(e->boot(open, setup));
    return std::shared_ptr<engine>(std::move(e));
  }
  auto e = std::make_shared<in_process_engine>(std::move(ex), program, options);
  OSVM_CHECK(e->boot(options, setup));
  return std::shared_ptr<engine>(std::move(e));
}

// The user stub is only safe because a fetch of its page at CPL 0 faults.
result<void> in_process_engine::check_stub() const {
  if (facts_.stub == kvm::syscall_stub::user && !(facts_.smep && facts_.smap))
    return error(kvm::errc::missing_feature, "SMEP and SMAP, where SYSCALL stays at CPL 3");
  return {};
}

result<std::shared_ptr<machine>> in_process_engine::make_machine(bool rings) {
  return machine::create({.system = &*system_,
                          .facts = &facts_,
                          .rules = state_->rules,
                          .account = state_->memory,
                          .rings = rings});
}

// The guest's name space: what policy mounts, and what a dynamic program needs if the caller wants that
// granted.
result<void> in_process_engine::open_files(const instance_options& options) {
  open_closure closure;
  if (options.grant_libraries) {
    library_search search;
    for (const std::string& e : options.policy.environment) {
      if (e.starts_with("LD_LIBRARY_PATH=")) search.library_path = split_path_list(e.substr(e.find('=') + 1));
    }
    OSVM_TRY(closure, open_libraries(image_.info(), search, state_->rules));
    grant_typed_name(options, image_.info(), closure);
  }
  const std::string executable = !options.executable.empty() ? options.executable
                                 : closure.files.empty()     ? "/app"
                                                             : image_.info().path;
  if (!executable.starts_with('/'))
    return error(osvm::errc::invalid_argument, "the executable's guest path must be absolute");
  OSVM_TRY(state_->files, file_tree::create(options.policy, closure, granted_));
  refused_ = std::move(closure.refused);
  if (!options.working_directory.starts_with('/'))
    return error(osvm::errc::invalid_argument, "the working directory must be absolute");
  process_state& process = main_->state();
  process.working_directory = options.working_directory;
  state_->first_executable = executable;
  state_->first_image = image_.data();
  process.set_program(executable, options.arguments.empty() ? std::vector<std::string>{image_.info().name}
                                                            : options.arguments);
  return {};
}

result<void> in_process_engine::open_sockets(const instance_options& options) {
  listeners_.grant(options.policy.listen);
  const bool vsock = std::any_of(options.policy.listen.begin(), options.policy.listen.end(),
                                 [](const listener& l) { return l.kind == transport::vsock; });
  if (!vsock) return {};
  vsock::hybrid_listener_options o;
  o.path = vsock_path();
  OSVM_TRY(hybrid_, vsock::hybrid_listener::open(executor_, o));
  return {};
}

void in_process_engine::open_recorder() {
  if (options_.learn == learning::off) return;
  state_->recorder = std::make_shared<usage_recorder>(options_.learn);
  state_->everything_allowed = options_.learn == learning::allow_all;
}

// All that names something of the host. No thread runs yet.
result<void> in_process_engine::open_host(const instance_options& options, const engine_setup& setup) {
  // Instances of one name may share a folder: each socket has a name of its own.
  if (setup.id) {
    id_ = *setup.id;
  } else if (::getrandom(&id_, sizeof id_, 0) != sizeof id_) {
    return errno_error("getrandom");
  }
  if (options.facts) {
    facts_ = *options.facts;
  } else {
    OSVM_TRY(facts_, kvm::probe_host());
  }
  options_.facts = nullptr;
  created_ = clock_type::now();
  instance_host& host = *this;
  state_ = std::make_unique<instance_state>(options.policy, effective_budgets(options), host);
  state_->memory = std::make_shared<memory_account>(effective_memory_budget(options));
#ifdef OSVM_TEST_CONTROLS
  state_->rules = options.controls;
#endif
  main_ = std::make_shared<guest_process>(static_cast<process_owner&>(*this), guest_pid);
  main_->set_image(image_.data());
  open_events(options);
  state_->events = events_;
  state_->tracing = options.events.trace;
  if (options.core >= 0) {
    core_ = unique_fd(::fcntl(options.core, F_DUPFD_CLOEXEC, 0));
    if (!core_) return errno_error("the file for a core dump");
    options_.core = -1;
  }
  open_recorder();
  state_->cpus = std::max(1U, facts_.cores);
  OSVM_CHECK(open_files(options));
  state_->network.names.set_folder(options.socket_dir);
  OSVM_CHECK(state_->network.outgoing.resolve(options.policy.connect));
  OSVM_CHECK(set_up_stdio(*state_, main_->state(), options.input, options.output, options.error));
  OSVM_CHECK(open_sockets(options));
  OSVM_TRY(system_, kvm::system::open(facts_.system));
  return {};
}

host_access in_process_engine::access_of(const instance_options& options) const {
  host_access a;
  a.files = state_->files->roots();
  a.socket_dir = options.socket_dir;
  for (const unix_listener& l : options.policy.listen_unix) a.unix_listeners.push_back(l.host_path);
  for (const connect_grant& c : options.policy.connect) {
    if (c.host.starts_with("unix:")) {
      a.unix_targets.push_back(c.host.substr(5));
    } else {
      a.ports.push_back(c.port);
    }
  }
  return a;
}

result<void> in_process_engine::boot(const instance_options& options, const engine_setup& setup) {
  OSVM_CHECK(open_host(options, setup));
  if (setup.before_threads) OSVM_CHECK(setup.before_threads(access_of(options)));
  OSVM_CHECK(open_poller(options));
  return start_guest(options);
}

result<void> in_process_engine::open_poller(const instance_options& options) {
  // A trace shows calls as the guest made them, each once: its calls come out.
  if (!options.exitless || state_->tracing) return {};
  poller_ = std::make_unique<call_poller>(
      [this](ring_member& m, const kvm::ring_slot& call) { return main_->serve_polled(m, call); });
  const all_signals_blocked blocked;
  if (const int e = poller_->start(); e != 0) return errno_error("starting the poller of system calls", e);
  return {};
}

result<void> in_process_engine::start_guest(const instance_options& options) {
  const auto vm_begin = clock_type::now();
  OSVM_CHECK(check_stub());
  state_->xstate = {.features = system_->guest_xcr0(), .size = system_->guest_xstate_size()};
  OSVM_TRY(const auto first, make_machine(poller_ != nullptr));
  const auto memory_begin = clock_type::now();
  process_options p;
  p.executable = main_->state().executable();
  std::optional<loader_file> loader;
  if (!image_.info().interpreter.empty()) {
    call_context ctx{*state_, main_->state(), first->memory(), main_->first_thread(), {}};
    OSVM_TRY(loader, open_loader(ctx, image_.info().interpreter));
    p.loader = &*loader;
  }
  p.arguments = main_->state().arguments();
  p.environment = options.policy.environment;
  p.clock_page = facts_.tsc_direct && facts_.tsc_khz != 0;
  p.fsgsbase = facts_.fsgsbase;
  OSVM_TRY(const process_start start, set_up_process(first->memory(), *image_.data(), p));
  first->start_clock(start.clock);
  main_->state().set_auxiliary(start.auxiliary);
  const auto vcpu_begin = clock_type::now();
  OSVM_CHECK(main_->prepare(first, start.regs));
  const auto start_begin = clock_type::now();
  phases_.vm = memory_begin - vm_begin;
  phases_.memory = vcpu_begin - memory_begin;
  phases_.vcpu = start_begin - vcpu_begin;
  begin_wall_time(start_begin);
  if (options.wait_for_debugger) main_->wait_for_debugger();
  return start_main([&] { return main_->start(wall_end_); });
}

void in_process_engine::begin_wall_time(wait_clock::time_point now) {
  state_->started = now;
  if (state_->budgets.wall_time.count() > 0 && state_->rules.wall_budget)
    wall_end_ = now + state_->budgets.wall_time;
}

// Registers the first process and lets it run.
result<void> in_process_engine::start_main(const std::function<result<void>()>& launch) {
  const std::shared_ptr<process_state> process(main_, &main_->state());
  if (!state_->processes.add(process, outside_pid, 0))
    return error(osvm::errc::invalid_argument, "process budget below 1");
  {
    const std::scoped_lock lock(processes_lock_);
    processes_.emplace(guest_pid, main_);
    started_ = true;
  }
  auto launched = launch();
  if (!launched) {
    const std::scoped_lock lock(processes_lock_);
    processes_.clear();
    started_ = false;
  }
  return launched;
}

bool in_process_engine::admit_thread() noexcept {
  const unsigned most = state_->rules.thread_budget ? state_->budgets.threads : 4096;
  unsigned now = threads_.load();
  do {
    if (now >= most) return false;
  } while (!threads_.compare_exchange_weak(now, now + 1));
  unsigned high = most_threads_.load();
  while (high < now + 1 && !most_threads_.compare_exchange_weak(high, now + 1)) {
  }
  return true;
}

void in_process_engine::thread_left(pthread_t handle, std::chrono::nanoseconds cpu) noexcept {
  threads_.fetch_sub(1);
  const std::scoped_lock lock(processes_lock_);
  finished_cpu_ += cpu;
  if (handle) finished_.push_back(handle);
}

void in_process_engine::first_entry() noexcept {
  const auto now = wait_clock::now();
  if (start_ns_.load(std::memory_order_relaxed) != 0) return;  // execve() made it first again
  start_ns_.store(std::chrono::nanoseconds(now - state_->started).count(), std::memory_order_relaxed);
  total_ns_.store(std::chrono::nanoseconds(now - created_).count(), std::memory_order_relaxed);
}

bool in_process_engine::adopt(std::shared_ptr<guest_process> process) {
  const std::scoped_lock lock(processes_lock_);
  if (ended_.load()) return false;
  processes_.emplace(process->pid(), std::move(process));
  return true;
}

std::vector<std::shared_ptr<guest_process>> in_process_engine::all_processes() const {
  const std::scoped_lock lock(processes_lock_);
  std::vector<std::shared_ptr<guest_process>> all;
  for (const auto& [pid, p] : processes_) all.push_back(p);
  return all;
}

// The instance ends with its first process, and is over with its last.
void in_process_engine::gone(const guest_process& process, const exit_report& report) noexcept {
  if (process.pid() == guest_pid) end(report);
  std::shared_ptr<guest_process> keep;
  bool last = false;
  {
    const std::scoped_lock lock(processes_lock_);
    const auto it = processes_.find(process.pid());
    if (it == processes_.end()) return;
    keep = std::move(it->second);
    processes_.erase(it);
    last = processes_.empty();
  }
  if (last) finish();
}

void in_process_engine::end(exit_report report) {
  ending_.decide(std::move(report));
  std::vector<std::shared_ptr<guest_process>> all;
  {
    const std::scoped_lock lock(processes_lock_);
    ended_.store(true, std::memory_order_seq_cst);
    for (const auto& [pid, p] : processes_) all.push_back(p);
  }
  for (const auto& p : all) p->stop();
  state_->calls.close();
  state_->readiness.close();
}

void in_process_engine::kill() noexcept {
  exit_report r;
  r.cause = exit_cause::killed;
  r.signal = SIGKILL;
  end(std::move(r));
}

result<void> in_process_engine::signal(int number) {
  if (number < 1 || number > max_signal)
    return error(osvm::errc::invalid_argument, fmt::format("signal {}", number));
  if (ended_.load()) return error(osvm::errc::closed, "the guest has ended");
  siginfo_t info{};  // from outside: no process of the guest's
  info.si_signo = number;
  info.si_code = SI_USER;
  (void)main_->state().signals.send(info);
  return {};
}

result<call_answer> in_process_engine::call(std::string_view function, std::string_view request,
                                            const call_options& options) {
  return state_->calls.call(function, request, options, [this] { return total_cpu_time(); });
}

result<void> in_process_engine::wait_ready(std::chrono::nanoseconds timeout) {
  return state_->readiness.wait(timeout);
}

// Runs on the last thread of the last process.
void in_process_engine::finish() noexcept {
  state_->network.parcels.clear();
  for (const endpoint& gone : listeners_.close()) {
    if (const auto* socket = std::get_if<unix_endpoint>(&gone)) (void)::unlink(socket->path.c_str());
  }
  if (events_) events_->finish_output();
  ending_.finish();
}

void in_process_engine::shut_down() noexcept {
  bool started = false;
  {
    const std::scoped_lock lock(processes_lock_);
    started = started_;
  }
  if (started) {
    kill();
    ending_.wait_finished();
  }
  join_all();
  if (poller_) poller_->stop();
  if (events_) events_->close();
  hybrid_.reset();
}

// Does not wait: a thread that frees its VM takes as long as the host kernel does.
void in_process_engine::reap() noexcept {
  const std::scoped_lock lock(processes_lock_);
  std::erase_if(finished_, [](pthread_t t) { return ::pthread_tryjoin_np(t, nullptr) == 0; });
}

void in_process_engine::join_all() noexcept {
  std::vector<pthread_t> gone;
  {
    const std::scoped_lock lock(processes_lock_);
    gone.swap(finished_);
  }
  for (const pthread_t t : gone) ::pthread_join(t, nullptr);
}

}  // namespace osvm::unikernel
