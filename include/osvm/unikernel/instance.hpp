// One guest: an image running as the only program of its own virtual machine.
#pragma once

#include <osvm/core/runtime.hpp>
#include <osvm/kvm/host_facts.hpp>
#include <osvm/unikernel/adoption.hpp>
#include <osvm/unikernel/call.hpp>
#include <osvm/unikernel/event.hpp>
#include <osvm/unikernel/image.hpp>
#include <osvm/unikernel/learning.hpp>
#include <osvm/unikernel/policy.hpp>
#include <osvm/unikernel/report.hpp>
#include <osvm/unikernel/worker.hpp>
#include <osvm/vsock/endpoint.hpp>

#ifdef OSVM_TEST_CONTROLS
#include "unikernel/controls.hpp"
#endif

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace osvm::unikernel {

// The boundary that is asked for. Never silently weakened.
enum class isolation : std::uint8_t {
  hardware,  // a KVM virtual machine
  process,   // namespaces and seccomp without KVM: unsupported in this version
};

// One of the guest's standard descriptors.
struct stdio {
  enum class kind : std::uint8_t {
    null,     // reads end, writes vanish
    fd,       // a duplicate of `fd`; the library leaves its O_NONBLOCK flag alone
    capture,  // output is kept for instance::take_output(), at most `limit` bytes; then the guest blocks
    bytes,    // input comes from `content`
    log,      // output: each line becomes an event (event_kind::log); the guest never waits
  };
  kind type = kind::null;
  int fd = -1;  // borrowed during create()
  std::size_t limit = std::size_t{1} << 20;
  std::string content;

  static stdio from_fd(int fd) { return {.type = kind::fd, .fd = fd}; }
  static stdio capture(std::size_t limit) { return {.type = kind::capture, .limit = limit}; }
  static stdio log() { return {.type = kind::log}; }
  static stdio bytes(std::string content) { return {.type = kind::bytes, .content = std::move(content)}; }
};

struct instance_options {
  std::vector<std::string> arguments;  // argv; empty: {image name}
  unikernel::policy policy;
  unikernel::budgets budgets;
  isolation level = isolation::hardware;
  stdio input, output, error;
  // Grants, read-only, the program itself, and of a dynamic program its loader and libraries, each at the
  // path where the loader looks for it: see libraries.hpp for which files qualify. What a mount already holds
  // stays the mount's. Needs an image that was loaded from a file.
  bool grant_libraries = false;
  std::string executable;  // guest path of the program for /proc/self/exe; empty: as granted, or "/app"
  std::string working_directory = "/";  // guest path
  // Folder for the instance's sockets; must exist and be private to the caller. Empty: no listener may be
  // granted.
  std::string socket_dir;
  learning learn = learning::off;  // what instance::learned() can tell afterwards
  event_options events;            // denials, traces; lines of output follow from stdio::log()
  // System calls are laid into shared memory, where a thread of the instance answers most of them without an
  // exit. It looks without pause while calls come fast and sleeps otherwise: for a busy guest it takes a core
  // of the host, and counts into its CPU time. Without effect while calls are traced.
  bool exitless = false;
  // None: the VM lives in the caller's process. A worker that ends unasked ends its guest
  // (exit_cause::failed); a caller that ends takes its workers with it, unless orphan_after was set.
  std::optional<worker_options> worker;
  // An empty file, open for writing, that gets a core dump of the first process that a fault or a signal ends
  // which asks for one (core(5)); -1: none. Borrowed during create(). With a debugger attached there is none.
  int core = -1;
  // The guest stands before its first instruction until instance::debug() lets it go on.
  bool wait_for_debugger = false;
  std::string name = "guest";  // stands in logs and in the socket names
  const kvm::host_facts* facts =
      nullptr;  // result of probe_host(), read during create(); null: create() probes
#ifdef OSVM_TEST_CONTROLS
  test_controls controls;  // only in the test variant of the module: see lib/unikernel/controls.hpp
#endif
};

class engine;
class instance_template;

// Owner of a running guest and its vCPU threads. Move-only. Member functions are thread-safe, except move and
// destruction. Destruction kills the guest and joins its threads (bounded: see `osvm bench kill`); it may
// happen inside a completion handler of the same instance.
class instance final {
  // In the class, before their use: the initiating templates below need complete types.
  struct wait_initiation {
    using executor_type = executor;
    instance* self;
    executor_type get_executor() const noexcept { return self->get_executor(); }
    void operator()(auto&& handler) const { self->start_wait(std::forward<decltype(handler)>(handler)); }
  };
  struct listening_initiation {
    using executor_type = executor;
    instance* self;
    listener which;
    executor_type get_executor() const noexcept { return self->get_executor(); }
    void operator()(auto&& handler) const {
      self->start_listening(which, std::forward<decltype(handler)>(handler));
    }
  };

 public:
  // Creates the VM and starts the guest. Completion handlers run on `ex`.
  // Errors: unikernel::errc, kvm::errc, or an errno.
  static result<instance> create(executor ex, const image& program, instance_options options);

  // The same handle on an instance whose owner's process is gone; its guest has gone on meanwhile. Waits at
  // most ten seconds for the worker's answer. Errors: errc::not_found when nobody listens at the ticket's
  // socket, errc::busy while the instance has an owner, errc::denied for a wrong nonce,
  // errc::invalid_argument, or an errno.
  static result<instance> adopt(executor ex, const adoption_ticket& ticket, adopt_options options = {});

  instance(instance&&) noexcept;
  instance& operator=(instance&&) noexcept;
  ~instance();

  // Completes once when the guest has ended, with how. May be called several times, also after the end.
  template <class Token = boost::asio::deferred_t>
  auto async_wait(Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(result<exit_report>)>(wait_initiation{this}, token);
  }
  // Blocks the calling thread until the guest has ended or `timeout` has passed (errc::timed_out). All events
  // of an ended guest have been handed over before. Not for use on an executor thread that the guest's own
  // sockets need.
  result<exit_report> wait(std::chrono::nanoseconds timeout);

  // Completes when the guest listens on a granted port, with the host endpoint to connect to; at once if it
  // already does. Fails with errc::closed when the guest ends first, errc::denied when the port is not
  // granted.
  template <class Token = boost::asio::deferred_t>
  auto async_listening(listener which, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(result<endpoint>)>(listening_initiation{this, which},
                                                                      token);
  }
  // Blocking form of async_listening, with the same errors and errc::timed_out.
  result<endpoint> wait_listening(listener which, std::chrono::nanoseconds timeout);

  // Ends the guest at any moment, in compute loops and in blocking system calls alike. Idempotent; returns at
  // once.
  void kill() noexcept;
  // Sends the guest a signal, as kill(2) from outside does: its handler runs, or the signal's default action
  // is taken (SIGSTOP stops it, SIGCONT lets it go on). Errors: errc::invalid_argument, errc::closed when the
  // guest has ended.
  result<void> signal(int number);
  // Takes what the guest has written to a captured descriptor (1 or 2) since the last call.
  std::string take_output(int descriptor);

  // Takes up to `most` events, oldest first: for embedders without an event_options::handler. After the end
  // it gives what is left.
  std::vector<event> take_events(std::size_t most = 1024);

  // A template of the guest as it is now: its threads stand still between two instructions while its memory
  // and open files are saved, and go on afterwards. Best taken at rest, for example when it listens. What
  // instances that are spawned from it have, and what they do not: see template.hpp. errc::cannot_snapshot
  // names what the guest has that a template cannot hold; errc::timed_out when a thread did not come to stand
  // still in time; errc::closed.
  result<instance_template> snapshot(std::chrono::nanoseconds timeout);
  // A clone becomes again what instance_template::spawn() made of it: memory, threads, open files; its
  // connections are closed, calls that it had taken fail. Events, captured output and counters stay, budgets
  // of time go on. Errors: errc::cannot_snapshot for an instance that no template made, and names what stands
  // in the way (the same as for snapshot()); errc::timed_out; errc::closed. A guest that was reset in part is
  // ended.
  result<void> reset(std::chrono::nanoseconds timeout);
  // Blocks until the guest waits for work: its first accept(2), its first wait for events while it listens,
  // or its first read of a call: the moment for a snapshot(). At once when it has been there. Errors:
  // errc::timed_out; errc::closed when the guest ends first; errc::unsupported in a worker.
  result<void> wait_ready(std::chrono::nanoseconds timeout);
  // Calls a function of a guest that serves calls (osvm/guest.h), and blocks for its answer. Calls that come
  // before it serves wait for that; several at once are answered in any order. After errc::timed_out, or
  // errc::limit_exceeded for the call's CPU time, the guest still works on it: its answer is dropped. Errors
  // also: errc::limit_exceeded for a request beyond 16 MiB or too many that wait; errc::closed;
  // errc::unsupported in a worker.
  result<call_answer> call(std::string_view function, std::string_view request,
                           const call_options& options = {});
  // Writes a core dump of the guest as it is now (its first process) into `file`, an empty file open for
  // writing; the guest stands still meanwhile and goes on. Errors: as snapshot(), or an errno.
  result<void> dump_core(int file, std::chrono::nanoseconds timeout);
  // Serves a debugger (GDB remote protocol) on a connected stream socket, which is borrowed, until it
  // detaches, its connection ends, or the guest does. Blocks: for a thread of the caller's own, which
  // shutdown(2) of the socket or kill() ends. The guest stands still while the debugger looks at it. The
  // first process is debugged; its children run on without breakpoints. Errors:
  // errc::debugger_unsupported names what cannot be debugged; errc::closed; errc::timed_out when a thread
  // did not come to stand still; an errno.
  result<void> debug(int connection);
  // For who shall adopt the instance. errc::invalid_argument when its worker ends with its owner.
  result<adoption_ticket> ticket() const;
  instance_stats stats() const;
  // The policy that this run would have needed, budgets as they were used with a quarter on top. Fails with
  // errc::invalid_argument when instance_options::learn was off.
  result<learned_policy> learned() const;
  // "hardware (KVM), system calls served in the caller's process"
  std::string isolation_report() const;

 private:
  friend class instance_template;
  explicit instance(std::shared_ptr<engine> e) noexcept;
  void start_wait(boost::asio::any_completion_handler<void(result<exit_report>)> handler);
  void start_listening(listener which, boost::asio::any_completion_handler<void(result<endpoint>)> handler);
  executor get_executor() const noexcept;

  std::shared_ptr<engine> engine_;
};

}  // namespace osvm::unikernel
