// Making and ending an instance. The guest threads' loop is in vcpu_loop.cpp.
#include "unikernel/engine/in_process.hpp"

#include "unikernel/elf/closure.hpp"
#include "unikernel/engine/loader.hpp"
#include "unikernel/engine/process_setup.hpp"
#include "unikernel/files/stdio.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/policy/recorder.hpp"

#include <osvm/vsock/fd_queue.hpp>

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

result<void> check(const instance_options& o) {
  if (o.level != isolation::hardware) return error(errc::isolation_unsupported, "process isolation");
  const budgets& b = o.budgets;
  if (b.memory_bytes < (1U << 20)) return error(osvm::errc::invalid_argument, "memory budget below 1 MiB");
  if (b.threads == 0 || b.threads > kvm::max_vcpus) {
    return error(osvm::errc::invalid_argument, fmt::format("thread budget must be 1..{}", kvm::max_vcpus));
  }
  if (o.events.capacity == 0 || o.events.capacity > 65536) {
    return error(osvm::errc::invalid_argument, "event capacity must be 1..65536");
  }
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
  OSVM_CHECK(check(options));
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

result<void> in_process_engine::open_vm(const kvm::host_facts& facts) {
  // The user stub is only safe because a fetch of its page at CPL 0 faults.
  if (facts.stub == kvm::syscall_stub::user && !(facts.smep && facts.smap)) {
    return error(kvm::errc::missing_feature, "SMEP and SMAP, where SYSCALL stays at CPL 3");
  }
  state_->xstate = {.features = system_->guest_xcr0(), .size = system_->guest_xstate_size()};
  const std::uint64_t budget = effective_memory_budget(options_);
  OSVM_TRY(vm_, kvm::vm::create(*system_, {.msr_filter = facts.msr_filter, .memory_bytes = budget}));
  backing_options backing;
  backing.slots = this;
  backing.phys_bits = facts.phys_bits;
  backing.huge_pages = facts.huge_pages;
  backing.guard_copies = state_->rules.guard_copies;
  backing.user_stub = facts.stub == kvm::syscall_stub::user;
  backing.flush_revoked = state_->rules.flush_revoked;
  backing.check_rights = state_->rules.check_rights;
  memory_ = std::make_unique<address_space>(backing, budget);
  return memory_->start();
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
  state_->executable = !options.executable.empty() ? options.executable
                       : closure.files.empty()     ? "/app"
                                                   : image_.info().path;
  if (!state_->executable.starts_with('/'))
    return error(osvm::errc::invalid_argument, "the executable's guest path must be absolute");
  OSVM_TRY(state_->files, file_tree::create(options.policy, closure, granted_));
  refused_ = std::move(closure.refused);
  if (!options.working_directory.starts_with('/'))
    return error(osvm::errc::invalid_argument, "the working directory must be absolute");
  state_->working_directory = options.working_directory;
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
#ifdef OSVM_TEST_CONTROLS
  state_->rules = options.controls;
#endif
  open_events(options);
  state_->events = events_;
  state_->tracing = options.events.trace;
  open_recorder();
  state_->cpus = std::max(1U, facts_.cores);
  OSVM_CHECK(open_files(options));
  state_->network.names.set_folder(options.socket_dir);
  OSVM_CHECK(state_->network.outgoing.resolve(options.policy.connect));
  OSVM_CHECK(set_up_stdio(*state_, options.input, options.output, options.error));
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

result<void> in_process_engine::start_guest(const instance_options& options) {
  const auto vm_begin = clock_type::now();
  OSVM_CHECK(open_vm(facts_));
  const auto memory_begin = clock_type::now();
  auto main = std::make_shared<task>(next_tid_++);
  process_options p;
  p.executable = state_->executable;
  std::optional<loader_file> loader;
  if (!image_.info().interpreter.empty()) {
    call_context ctx{*state_, *memory_, main->guest, {}};
    OSVM_TRY(loader, open_loader(ctx, image_.info().interpreter));
    p.loader = &*loader;
  }
  p.arguments = options.arguments.empty() ? std::vector<std::string>{image_.info().name} : options.arguments;
  p.environment = options.policy.environment;
  state_->arguments = p.arguments;
  p.clock_page = facts_.tsc_direct && facts_.tsc_khz != 0;
  p.fsgsbase = facts_.fsgsbase;
  OSVM_TRY(const process_start start, set_up_process(*memory_, *image_.data(), p));
  if (start.clock) clock_.start(start.clock, facts_.tsc_khz);
  const auto vcpu_begin = clock_type::now();
  OSVM_TRY(main->slot, make_cpu());
  main->slot->cpu.enter_user(start.regs);
  const auto start_begin = clock_type::now();
  phases_.vm = memory_begin - vm_begin;
  phases_.memory = vcpu_begin - memory_begin;
  phases_.vcpu = start_begin - vcpu_begin;
  state_->started = start_begin;
  if (options.budgets.wall_time.count() > 0 && state_->rules.wall_budget)
    wall_end_ = start_begin + options.budgets.wall_time;
  const std::scoped_lock lock(threads_lock_);
  if (const auto r = launch(std::move(main)); r < 0)
    return errno_error("starting the guest's first thread", static_cast<int>(-r));
  return {};
}

result<std::unique_ptr<in_process_engine::cpu_slot>> in_process_engine::make_cpu() {
  const unsigned id = next_cpu_;
  auto slot = std::make_unique<cpu_slot>();
  OSVM_TRY(slot->cpu, kvm::vcpu::create(*system_, vm_, id));
  ++next_cpu_;
  // Looking that often takes about as long as an exit.
  constexpr std::uint32_t ring_rounds = 400;
  OSVM_TRY(auto area, memory_->prepare_vcpu(id, poller_ ? ring_rounds : 0));
  area.setup.smep_smap = state_->rules.smep_smap;
  slot->interrupt_stack = area.interrupt_stack;
  slot->stub = area.stub;
  slot->ring = area.slot;
  OSVM_CHECK(slot->cpu.setup(*system_, area.setup));
  OSVM_CHECK(slot->cpu.accept_kicks(kick_signal()));
  return slot;
}

result<void> in_process_engine::install(std::uint64_t guest_address, void* host_address, std::uint64_t size) {
  return vm_.set_region(
      {.slot = next_slot_++, .guest_address = guest_address, .host_address = host_address, .size = size});
}

// Deleting any memory slot drops all shadow pages of the VM (measured: 60-80 us); a slot that nothing uses
// leaves no moment in which guest memory is missing. Called under the address space's locks.
void in_process_engine::flush_all() noexcept {
  constexpr unsigned flush_slot = 30000;
  if (!flush_page_.data()) {
    auto page = mapping::anonymous(page_size);
    if (!page) return;
    flush_page_ = std::move(*page);
  }
  const std::uint64_t address = (std::uint64_t{1} << facts_.phys_bits) - (std::uint64_t{2} << 20);
  (void)vm_.set_region(
      {.slot = flush_slot, .guest_address = address, .host_address = flush_page_.data(), .size = page_size});
  (void)vm_.set_region(
      {.slot = flush_slot, .guest_address = address, .host_address = flush_page_.data(), .size = 0});
}

void in_process_engine::end(exit_report report) {
  ending_.decide(std::move(report));
  const std::scoped_lock lock(threads_lock_);
  ended_.store(true, std::memory_order_seq_cst);
  for (auto& [tid, t] : tasks_) {
    t->guest.wait.interrupt();
    ::pthread_kill(t->handle, kick_signal());
  }
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
  (void)state_->signals.send(info);
  return {};
}

// Runs on the last guest thread, when no other is left.
void in_process_engine::finish() noexcept {
  state_->timers.stop();
  state_->descriptors.clear();
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
    const std::scoped_lock lock(threads_lock_);
    started = next_tid_ > guest_pid && (!tasks_.empty() || !finished_.empty());
  }
  if (started) {
    kill();
    ending_.wait_finished();
  }
  reap();
  if (poller_) poller_->stop();
  if (events_) events_->close();
  hybrid_.reset();
}

void in_process_engine::reap() noexcept {
  std::vector<pthread_t> gone;
  {
    const std::scoped_lock lock(threads_lock_);
    gone.swap(finished_);
  }
  for (const pthread_t t : gone) ::pthread_join(t, nullptr);
}

}  // namespace osvm::unikernel
