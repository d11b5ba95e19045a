// The release engine's decisions, without I/O: inputs go in, orders come out, and nothing here knows a clock,
// a socket or a file. Whoever drives it carries out the orders and answers with inputs. At most one order
// awaits its answer: a later one, and end_tries, make the answers to earlier ones void, and those are not
// passed in.
//
// One release at a time is on its way (`next`) beside the one that serves (`old`). What must survive a crash
// is a `ledger`: it is written before an effect that a restart must know of, and the machine waits for the
// write. So at any instant the last ledger written names exactly one release to serve with, once there has
// been one.
#pragma once

#include <osvm/hotswap/release.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace osvm::hotswap::detail {

// What is journalled. Releases are named by their attempt, counted from 1; 0 is none.
struct ledger {
  std::uint64_t active = 0;     // serves, for good
  std::uint64_t candidate = 0;  // gets traffic, but may still be rolled back
  std::uint64_t leaving = 0;    // replaced; may still have an instance
  std::uint64_t previous = 0;   // served before: where a later roll-back leads
  std::uint64_t attempts = 0;   // so many have been begun
  bool operator==(const ledger&) const = default;

  // What a restart begins to serve with; 0: none was ever routed to.
  std::uint64_t to_recover() const noexcept { return active != 0 ? active : candidate; }
};

enum class input : std::uint8_t {
  deploy,       // command: begin with the next release
  started,      // order start: there is an instance
  not_started,  // same: there is none
  healthy,      // order probe
  unhealthy,    // same
  warmed,       // order warm
  not_warmed,   // same
  saved,        // order save: durable
  not_saved,    // same: unknown what a restart would read
  routed,       // order route
  not_routed,   // same: nothing has changed
  stage_over,   // order watch: the stage's time has passed and the traffic is good
  traffic_bad,  // order watch: it is not
  drained,      // order drain
  stopped,      // order stop
  next_lost,    // the new instance has ended by itself
  old_lost,     // the one that serves, or served before, has
  pause,        // command: go no further than the next boundary
  resume,       // command
  abort,        // command: give the new release up
  rollback,     // command: back to the release before, while that is one change of route
};
inline constexpr unsigned input_count = static_cast<unsigned>(input::rollback) + 1;
const char* to_string(input i) noexcept;

struct order {
  enum class kind : std::uint8_t {
    start,      // make an instance
    probe,      // until it is healthy
    warm,       // send it the warm-up requests
    end_tries,  // give up start, probe, warm and watch, whichever is under way: no answer is wanted
    save,       // write ledger()
    route,      // send `stage`'s share of the traffic to `who`, the rest to what served before
    watch,      // look at the traffic for the time of `stage`
    unroute,    // send the traffic to nothing; no answer
    go_back,    // send all traffic to the old release; no answer, it was routed to before
    drain,      // wait for what is in flight on `who`
    stop,       // end the instance of `who`
    discard,    // same, without waiting; no answer
    tell,       // an event: `who` is in `state` now
    report,     // the deployment has ended as report() says
  } what;
  std::uint64_t who = 0;
  unsigned stage = 0;
  release_state state = release_state::starting;
  std::string why{};
};

class release_machine {
 public:
  enum class phase : std::uint8_t {
    idle,
    starting,
    probing,
    warming,
    recording,   // before the first route: the ledger is being written
    routing,     // the route is being changed
    watching,    // a share of, or all, traffic goes to the new release, which may still be rolled back
    committing,  // the ledger that makes it the active one is being written
    draining,    // the old release
    stopping,    // same
    retiring,    // the ledger without the old release is being written
    undoing,     // the ledger without the new release is being written
    undraining,  // the new release drains
    removing,    // the new instance is being stopped
  };
  struct outcome {
    release_state state = release_state::starting;      // active, rejected, rolled_back or retired
    release_state failed_at = release_state::starting;  // unless active
    std::string why;                                    // same
  };

  release_machine() = default;
  // Goes on where a ledger ended: nothing is under way, the release to_recover() is to be deployed again.
  explicit release_machine(const ledger& durable);

  // `stages` of watched traffic lie before a deployment is committed; 0: it is committed at once.
  // `again`: the release that the ledger names is begun with once more, after a restart.
  void plan(unsigned stages, bool again = false) noexcept {
    stages_ = stages;
    again_ = again;
  }

  // False: the input is none that can be taken now, and nothing has changed.
  bool take(input in, std::string why = {});
  // What the last take() orders, in this order.
  std::vector<order>& orders() noexcept { return orders_; }

  phase where() const noexcept { return phase_; }
  bool busy() const noexcept { return phase_ != phase::idle; }
  bool paused() const noexcept { return paused_; }
  bool held() const noexcept { return held_; }
  unsigned stage() const noexcept { return stage_; }
  std::uint64_t next() const noexcept { return next_; }
  std::uint64_t old() const noexcept { return old_; }
  // Routed to, wholly or mostly.
  std::uint64_t active() const noexcept { return active_; }
  const ledger& to_save() const noexcept { return ledger_; }
  const outcome& result_of() const noexcept { return outcome_; }
  // What else tells two states apart, for those who explore them.
  unsigned flags() const noexcept {
    return has_instance_ | routed_ << 1 | next_lost_ << 2 | old_lost_ << 3 | unwanted_ << 4 | again_ << 5;
  }
  // The service ends: forgets what was under way. What is to be stopped is up to the driver.
  void forget() noexcept;

 private:
  bool command(input in, std::string& why);
  bool try_input(input in, std::string& why);
  bool route_input(input in, std::string& why);
  bool leave_input(input in);
  bool undo_input(input in);
  bool lost_next(std::string& why);
  bool lost_old(std::string& why);
  bool begin();
  bool give_up(std::string& why);
  void enter(phase p, release_state s);
  void ready();
  void save(phase p);
  void route(unsigned stage);
  void stage_over();
  void commit();
  void settle();
  void retired_old();
  void reject(std::string why);
  void undo(std::string why);
  void unsettle(std::string why);
  void remove();
  void finish();
  bool old_usable() const noexcept { return old_ != 0 && !old_lost_; }
  release_state state_of_next() const noexcept;
  void give(order o) { orders_.push_back(std::move(o)); }

  phase phase_ = phase::idle;
  std::uint64_t active_ = 0, next_ = 0, old_ = 0;
  unsigned stages_ = 0, stage_ = 0;
  bool has_instance_ = false;  // next: started, and not ordered to stop
  bool routed_ = false;        // next: has got traffic
  bool next_lost_ = false, old_lost_ = false;
  bool paused_ = false;
  bool held_ = false;      // paused, and the boundary is reached
  bool unwanted_ = false;  // given up or lost while a save was under way
  std::string why_;        // of unwanted_, and of a loss that is dealt with later
  bool again_ = false;
  ledger ledger_, before_;  // before_: as it was when the deployment began
  outcome outcome_;
  std::vector<order> orders_;
};

const char* to_string(release_machine::phase p) noexcept;

}  // namespace osvm::hotswap::detail
