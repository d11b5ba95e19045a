// Replaces the release behind a proxy: start, probe, warm up, shift, drain, stop; and back when it goes
// wrong.
#pragma once

#include <osvm/core/runtime.hpp>
#include <osvm/hotswap/instance_source.hpp>
#include <osvm/hotswap/probe.hpp>
#include <osvm/hotswap/proxy.hpp>
#include <osvm/hotswap/release_store.hpp>

#include <any>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace osvm::hotswap {

// The life of a release. The last three are final.
enum class release_state : std::uint8_t {
  starting,     // the source is starting an instance
  probing,      // it runs; asked until it is healthy
  warming,      // healthy; answers warm-up requests
  active,       // the proxy routes to it
  draining,     // a newer one is routed to; finishes what it has in flight
  retired,      // stopped after its successor took over, or because the service ended
  rejected,     // never routed to: it failed while starting, probing or warming
  rolled_back,  // was routed to, failed in the bake window; the release before it is active again
};

// Requests sent to a healthy release before it gets traffic. Any answer but 200..399, or none, rejects it.
struct warmup_options {
  unsigned requests = 3;  // 0: no warm-up
  std::string path = "/";
  std::string host = "localhost";
  std::chrono::milliseconds timeout{2'000};  // of each
};

// A look at real traffic, during the canary stages and after the shift. While it lasts the release before
// stays up, so that the way back is one pointer change.
struct bake_options {
  std::chrono::milliseconds window{0};  // after the whole shift; 0: no bake
  std::chrono::milliseconds check{50};  // how often the counters are read
  // Failures and 5xx per request of the new release: of all its requests, and of those in the last `span`.
  double max_error_rate = 0.05;
  std::chrono::milliseconds span{1'000};
  // Of the new release's requests so far, from the head of the request to the end of the response; 0: not
  // judged. Connections on L4, and what was upgraded, have no such time.
  std::chrono::milliseconds max_p99{0};
  unsigned min_requests = 20;  // before anything is judged
};

// A part of the traffic, for a time. A client may then meet both releases, in any order.
struct canary_stage {
  double percent = 10;  // more than 0, less than 100, growing from stage to stage
  std::chrono::milliseconds time{10'000};
};

struct release_spec {
  std::string version;
  std::string artifact;  // for the source: for example the path of a program
  std::any source_data;  // for the source: anything else
  std::chrono::milliseconds start_deadline{10'000};
  probe_options probe;
  warmup_options warmup;
  std::vector<canary_stage> canary;  // before the whole shift, at most 16
  bake_options bake;
  std::chrono::milliseconds drain_deadline{30'000};  // of the release that this one replaces
  std::chrono::milliseconds stop_deadline{5'000};    // same
};

// What async_deploy did, exactly.
struct shift_report {
  std::string version;
  // active: it took over. rejected: the release before serves on, untouched. rolled_back: the release before
  // serves again. retired: it was lost in the bake window with nothing to roll back to.
  release_state state = release_state::starting;
  release_state failed_at = release_state::starting;  // meaningful unless active: the step that failed
  std::string reason;                                 // for people; empty when active
  error_code code;                                    // of the failure; zero when active
  std::string replaced;                               // version that served before; empty: none
  std::uint64_t generation = 0;                       // the proxy's; 0 when never routed to

  std::chrono::nanoseconds start{0}, probe{0}, warm{0};
  std::chrono::nanoseconds shift{0};  // the call that changed the route
  std::chrono::nanoseconds bake{0}, drain{0}, stop{0}, total{0};
  unsigned probe_attempts = 0;
  unsigned warmup_requests = 0;  // answered well
  std::uint64_t drained = 0;  // requests (L4: connections) in flight on the release that left, ended in order
  std::uint64_t cut = 0;      // ended by the drain deadline
  std::string stop_error;     // the instance that left did not stop in order; empty otherwise

  // One line for people.
  std::string describe() const;
};

// A transition. `at` is steady-clock time, `wall` for people.
struct release_event {
  std::string version;
  std::uint64_t attempt = 0;  // counts deploys of this service from 1
  release_state state = release_state::starting;
  std::string reason;
  std::chrono::steady_clock::time_point at;
  std::chrono::system_clock::time_point wall;
};

struct service_options {
  // Called on the executor, one at a time, in order.
  std::function<void(const release_event&)> on_event;
  // Called inline directly before and after the atomic change of route (a roll-back too) with the version
  // that is routed to next. Must be quick and must not call the service. For those who check the promise,
  // such as load_client::shift_starting and shift_returned.
  // With canary stages `before_shift` is called at the first, `after_shift` when all traffic has changed.
  std::function<void(const std::string&version)> before_shift, after_shift;
  // Where the state is kept that must survive this process; null: nowhere. Written before the route changes
  // and before a release is committed, so that at any instant a restart finds exactly one active release.
  std::shared_ptr<release_store> store;
  // Runs the store's blocking calls; empty: the service's own executor.
  executor store_executor;
};

// What a service is doing, as status() gives it.
struct service_status {
  std::string active;                            // routed to, wholly or mostly; empty: none
  std::string next;                              // on its way; empty: no deployment is under way
  std::string previous;                          // where a roll-back leads; empty: nowhere
  release_state state = release_state::retired;  // of `next`, else of `active`; retired: none
  std::string step;                              // of the engine, for people; "idle" between deployments
  double share = 0;                              // of the traffic that `next` gets, per cent
  bool paused = false;
  std::uint64_t deployments = 0;  // begun so far, over all processes when there is a store
};

enum class service_command : std::uint8_t {
  pause,  // the deployment goes no further than the next boundary: before its first traffic, or a stage's end
  resume,  // it goes on
  abort,   // it is given up: rejected, or rolled back. Too late once the old release drains
};

const char* to_string(release_state state) noexcept;

namespace detail {
class pool;
class service_state;
}  // namespace detail

// One service behind one proxy. Nothing else may call proxy::shift() meanwhile. Move-only. Member functions
// are thread-safe, except move and destruction. Destruction gives up a deploy that is under way
// (errc::cancelled) and asks the source to stop every instance, without waiting: use async_stop to wait.
class service final {
  using state_ptr = std::shared_ptr<detail::service_state>;
  using deploy_handler = boost::asio::any_completion_handler<void(result<shift_report>)>;
  using stop_handler = boost::asio::any_completion_handler<void(result<drain_report>)>;
  using command_handler = boost::asio::any_completion_handler<void(result<void>)>;
  static executor executor_of(const state_ptr& state) noexcept;
  static void start_deploy(const state_ptr& state, release_spec spec, deploy_handler handler);
  static void start_stop(const state_ptr& state, std::chrono::nanoseconds deadline, stop_handler handler);
  static void start_recover(const state_ptr& state, release_spec base, deploy_handler handler);
  static void start_rollback(const state_ptr& state, release_spec base, deploy_handler handler);
  static void start_command(const state_ptr& state, service_command what, std::string why,
                            command_handler handler);
  struct deploy_initiation {
    using executor_type = executor;
    state_ptr state;
    executor_type get_executor() const noexcept { return executor_of(state); }
    void operator()(auto&& handler, release_spec spec) const {
      start_deploy(state, std::move(spec), std::forward<decltype(handler)>(handler));
    }
  };
  struct recover_initiation {
    using executor_type = executor;
    state_ptr state;
    executor_type get_executor() const noexcept { return executor_of(state); }
    void operator()(auto&& handler, release_spec base) const {
      start_recover(state, std::move(base), std::forward<decltype(handler)>(handler));
    }
  };
  struct rollback_initiation {
    using executor_type = executor;
    state_ptr state;
    executor_type get_executor() const noexcept { return executor_of(state); }
    void operator()(auto&& handler, release_spec base) const {
      start_rollback(state, std::move(base), std::forward<decltype(handler)>(handler));
    }
  };
  struct command_initiation {
    using executor_type = executor;
    state_ptr state;
    executor_type get_executor() const noexcept { return executor_of(state); }
    void operator()(auto&& handler, service_command what, std::string why) const {
      start_command(state, what, std::move(why), std::forward<decltype(handler)>(handler));
    }
  };
  struct stop_initiation {
    using executor_type = executor;
    state_ptr state;
    executor_type get_executor() const noexcept { return executor_of(state); }
    void operator()(auto&& handler, std::chrono::nanoseconds deadline) const {
      start_stop(state, deadline, std::forward<decltype(handler)>(handler));
    }
  };

 public:
  // Uses, and shares, what `front` is made of: the proxy keeps listening until its own end.
  service(executor ex, const proxy& front, std::shared_ptr<instance_source> source,
          service_options options = {});
  // For the gateway, whose proxies route to several.
  service(executor ex, std::shared_ptr<detail::pool> front, std::shared_ptr<instance_source> source,
          service_options options);
  service(service&&) noexcept;
  service& operator=(service&&) noexcept;
  ~service();

  // Takes `spec` through all states; completes when it is active (the old release drained and stopped, the
  // bake window over), rejected or rolled back: all of these are reports, not errors. Errors: errc::busy
  // (another deploy is under way), errc::closed, errc::cancelled, errc::invalid_argument.
  template <class Token = boost::asio::deferred_t>
  auto async_deploy(release_spec spec, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(result<shift_report>)>(deploy_initiation{state_}, token,
                                                                          std::move(spec));
  }

  // After a restart: deploys the release that the store names, as `base` says but for version and artifact.
  // A deployment that the end of the last process interrupted is told as rejected or rolled back.
  // Errors: as async_deploy; errc::not_found (no store, or no release was ever active).
  template <class Token = boost::asio::deferred_t>
  auto async_recover(release_spec base, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(result<shift_report>)>(recover_initiation{state_}, token,
                                                                          std::move(base));
  }

  // Back to the release before. While a deployment is under way and the old release still serves or drains:
  // by ending that deployment, whose report this then is as well. Else by deploying the previous release
  // again, as `base` says but for version and artifact (and, in the process that deployed it, its
  // source_data). Errors: as async_deploy; errc::not_found (there is no release before); errc::busy (the old
  // release is being stopped).
  template <class Token = boost::asio::deferred_t>
  auto async_rollback(release_spec base, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(result<shift_report>)>(rollback_initiation{state_}, token,
                                                                          std::move(base));
  }

  // Completes when the command was taken. Errors: errc::invalid_argument (nothing is under way that it could
  // apply to, or it is too late), errc::closed.
  template <class Token = boost::asio::deferred_t>
  auto async_command(service_command what, std::string why, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(result<void>)>(command_initiation{state_}, token, what,
                                                                  std::move(why));
  }

  // Ends a deploy that is under way, drains the active release, stops it. The proxy then answers 503.
  template <class Token = boost::asio::deferred_t>
  auto async_stop(std::chrono::nanoseconds deadline, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(result<drain_report>)>(stop_initiation{state_}, token,
                                                                          deadline);
  }

  // Version that is routed to; empty: none. If its instance is lost outside a deploy, an event says so.
  std::optional<std::string> active() const;
  service_status status() const;

  executor get_executor() const noexcept;

 private:
  state_ptr state_;
};

// A source of instances that run already: release_spec::artifact is an endpoint as parse_endpoint() reads it,
// or several, one in each line.
// Starting checks the text only, stopping does nothing.
std::shared_ptr<instance_source> make_endpoint_source(executor ex);

}  // namespace osvm::hotswap
