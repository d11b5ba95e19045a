#include "hotswap/release/machine.hpp"

#include <utility>

namespace osvm::hotswap::detail {

using kind = order::kind;

// Whatever was under way when the process ended is over: its instances are not this process's.
release_machine::release_machine(const ledger& durable) : ledger_(durable) {
  ledger_.active = durable.to_recover();
  ledger_.candidate = ledger_.leaving = 0;
  if (ledger_.previous == ledger_.active) ledger_.previous = 0;
}

bool release_machine::take(input in, std::string why) {
  orders_.clear();
  switch (in) {
    case input::deploy: return begin();
    case input::pause:
    case input::resume:
    case input::abort:
    case input::rollback: return command(in, why);
    case input::next_lost: return lost_next(why);
    case input::old_lost: return lost_old(why);
    default: break;
  }
  switch (phase_) {
    case phase::starting:
    case phase::probing:
    case phase::warming: return try_input(in, why);
    case phase::recording:
    case phase::routing:
    case phase::watching:
    case phase::committing: return route_input(in, why);
    case phase::draining:
    case phase::stopping:
    case phase::retiring: return leave_input(in);
    case phase::undoing:
    case phase::undraining:
    case phase::removing: return undo_input(in);
    case phase::idle: break;
  }
  return false;
}

// --- commands ---

bool release_machine::begin() {
  if (phase_ != phase::idle) return false;
  old_ = active_;
  next_ = ++ledger_.attempts;
  stage_ = 0;
  has_instance_ = routed_ = next_lost_ = old_lost_ = held_ = unwanted_ = false;
  why_.clear();
  outcome_ = {};
  before_ = ledger_;
  enter(phase::starting, release_state::starting);
  give({kind::start, next_});
  return true;
}

bool release_machine::command(input in, std::string& why) {
  const bool before_commit = phase_ >= phase::starting && phase_ <= phase::watching;
  if (in == input::pause) {
    const bool boundary_ahead = phase_ < phase::recording || stages_ != 0;
    if (!before_commit || !boundary_ahead || paused_) return false;
    return paused_ = true;
  }
  if (in == input::resume) {
    if (!paused_) return false;
    paused_ = false;
    if (!std::exchange(held_, false)) return true;
    if (phase_ == phase::warming) {
      ready();
    } else {
      stage_over();
    }
    return true;
  }
  if (in == input::rollback && phase_ == phase::draining && old_usable()) {
    unsettle(std::move(why));
    return true;
  }
  return give_up(why);
}

// While a save is under way its end is awaited: only then is it known what has to be undone.
bool release_machine::give_up(std::string& why) {
  switch (phase_) {
    case phase::starting:
    case phase::probing:
    case phase::warming: reject(std::move(why)); return true;
    case phase::watching: undo(std::move(why)); return true;
    case phase::recording:
    case phase::committing:
      if (unwanted_) return false;
      unwanted_ = true;
      why_ = std::move(why);
      return true;
    default: return false;
  }
}

// --- before the first route ---

bool release_machine::try_input(input in, std::string& why) {
  if (phase_ == phase::starting && in == input::started) {
    has_instance_ = true;
    enter(phase::probing, release_state::probing);
    give({kind::probe, next_});
  } else if (phase_ == phase::probing && in == input::healthy) {
    enter(phase::warming, release_state::warming);
    give({kind::warm, next_});
  } else if (phase_ == phase::warming && in == input::warmed && !held_) {
    ready();
  } else if ((phase_ == phase::starting && in == input::not_started) ||
             (phase_ == phase::probing && in == input::unhealthy) ||
             (phase_ == phase::warming && in == input::not_warmed && !held_)) {
    reject(std::move(why));
  } else {
    return false;
  }
  return true;
}

void release_machine::ready() {
  if (paused_) {
    held_ = true;
    return;
  }
  if (stages_ != 0) {
    ledger_.candidate = next_;
  } else {
    commit();
  }
  save(phase::recording);
}

void release_machine::save(phase p) {
  phase_ = p;
  give({kind::save});
}

// --- route, watch, commit ---

bool release_machine::route_input(input in, std::string& why) {
  const bool saving = phase_ == phase::recording || phase_ == phase::committing;
  if (saving && (in == input::saved || in == input::not_saved)) {
    if (in == input::not_saved) {
      undo("the release could not be journalled: " + why);
    } else if (unwanted_) {
      undo(why_);
    } else if (phase_ == phase::recording) {
      route(0);
    } else {
      settle();
    }
    return true;
  }
  if (phase_ == phase::routing && in == input::not_routed) {
    undo(std::move(why));
  } else if (phase_ == phase::routing && in == input::routed) {
    if (!std::exchange(routed_, true)) give({kind::tell, next_, 0, release_state::active});
    if (unwanted_) {
      undo(why_);
    } else if (stages_ == 0) {
      settle();
    } else {
      phase_ = phase::watching;
      give({kind::watch, next_, stage_});
    }
  } else if (phase_ == phase::watching && in == input::stage_over && !held_) {
    stage_over();
  } else if (phase_ == phase::watching && in == input::traffic_bad) {
    undo(std::move(why));
  } else {
    return false;
  }
  return true;
}

void release_machine::route(unsigned stage) {
  stage_ = stage;
  phase_ = phase::routing;
  give({kind::route, next_, stage});
}

void release_machine::stage_over() {
  if (paused_) {
    held_ = true;
    return;
  }
  if (stage_ + 1 < stages_) return route(stage_ + 1);
  commit();
  save(phase::committing);
}

void release_machine::commit() {
  ledger_.active = next_;
  ledger_.candidate = 0;
  ledger_.leaving = old_;
  if (before_.active != 0 && !again_) ledger_.previous = before_.active;
}

// The new release serves for good.
void release_machine::settle() {
  active_ = next_;
  paused_ = held_ = false;
  if (old_ == 0) return finish();
  phase_ = phase::draining;
  give({kind::tell, old_, 0, release_state::draining});
  give({kind::drain, old_});
}

// --- the release that leaves ---

bool release_machine::leave_input(input in) {
  if (phase_ == phase::draining && in == input::drained) {
    phase_ = phase::stopping;
    give({kind::stop, old_});
  } else if (phase_ == phase::stopping && in == input::stopped) {
    give({kind::tell, old_, 0, release_state::retired});
    ledger_.leaving = 0;
    save(phase::retiring);
  } else if (phase_ == phase::retiring && (in == input::saved || in == input::not_saved)) {
    retired_old();
  } else {
    return false;
  }
  return true;
}

void release_machine::retired_old() {
  old_ = 0;
  if (!next_lost_) return finish();
  give({kind::tell, next_, 0, release_state::retired, outcome_.why});
  remove();
}

// --- failure ---

bool release_machine::lost_next(std::string& why) {
  if (next_ == 0 || !has_instance_ || next_lost_ || phase_ == phase::idle) return false;
  next_lost_ = true;
  std::string text = "the instance ended by itself: " + why;
  switch (phase_) {
    case phase::probing:
    case phase::warming: reject(std::move(text)); break;
    case phase::watching: undo(std::move(text)); break;
    case phase::recording:
    case phase::committing:
    case phase::routing:
      if (!std::exchange(unwanted_, true)) why_ = std::move(text);
      break;
    case phase::draining: unsettle(std::move(text)); break;
    case phase::stopping:
    case phase::retiring:  // there is no way back any more
      outcome_ = {release_state::retired, release_state::active, std::move(text)};
      active_ = 0;
      give({kind::unroute});
      break;
    default: break;  // on its way out anyway
  }
  return true;
}

// While a deployment is under way the loss is only noted: there is no way back to that release.
bool release_machine::lost_old(std::string& why) {
  if (phase_ != phase::idle) {
    if (old_ == 0 || old_lost_) return false;
    old_lost_ = true;
    why_ = why_.empty() ? why : why_;
    return true;
  }
  if (active_ == 0) return false;
  give({kind::unroute});
  give({kind::tell, active_, 0, release_state::retired, "the instance ended by itself: " + why});
  give({kind::discard, active_});
  active_ = 0;
  return true;
}

release_state release_machine::state_of_next() const noexcept {
  switch (phase_) {
    case phase::starting: return release_state::starting;
    case phase::probing: return release_state::probing;
    case phase::warming:
    case phase::recording: return release_state::warming;
    case phase::routing: return routed_ ? release_state::active : release_state::warming;
    default: return release_state::active;
  }
}

// Nothing was routed and nothing journalled.
void release_machine::reject(std::string why) {
  outcome_ = {release_state::rejected, state_of_next(), std::move(why)};
  held_ = false;
  give({kind::end_tries});
  give({kind::tell, next_, 0, release_state::rejected, outcome_.why});
  remove();
}

// From the first save to the commit: clients first, then the ledger.
void release_machine::undo(std::string why) {
  outcome_ = {release_state::rejected, state_of_next(), std::move(why)};
  held_ = false;
  give({kind::end_tries});
  if (routed_) {
    outcome_.state = old_usable() ? release_state::rolled_back : release_state::retired;
    give({old_usable() ? kind::go_back : kind::unroute, old_});
  }
  active_ = old_usable() ? old_ : routed_ ? 0 : old_;
  give({kind::tell, next_, 0, outcome_.state, outcome_.why});
  if (outcome_.state == release_state::rolled_back) {
    give({kind::tell, old_, 0, release_state::active, "rolled back"});
  } else if (outcome_.state == release_state::retired && old_ != 0) {
    give({kind::discard, old_});
  }
  // A service that has had a release keeps one to come back with, be it one that ended by itself.
  before_.attempts = ledger_.attempts;
  ledger_ = before_;
  if (ledger_.active == 0 && routed_) ledger_.active = next_;
  save(phase::undoing);
}

// After the commit, while the old release still drains.
void release_machine::unsettle(std::string why) {
  undo(std::move(why));
}

bool release_machine::undo_input(input in) {
  if (phase_ == phase::undoing && (in == input::saved || in == input::not_saved)) {
    if (routed_) {
      phase_ = phase::undraining;
      give({kind::drain, next_});
    } else {
      remove();
    }
  } else if (phase_ == phase::undraining && in == input::drained) {
    remove();
  } else if (phase_ == phase::removing && in == input::stopped) {
    finish();
  } else {
    return false;
  }
  return true;
}

void release_machine::remove() {
  phase_ = phase::removing;
  if (!has_instance_) return finish();
  has_instance_ = false;
  give({kind::stop, next_});
}

// --- end ---

// A release that was lost while its successor failed is dealt with now.
void release_machine::finish() {
  if (outcome_.state == release_state::starting) outcome_.state = release_state::active;
  phase_ = phase::idle;
  paused_ = held_ = false;
  give({kind::report});
  const bool lost = old_lost_ && active_ != 0 && active_ == old_;
  old_ = next_ = 0;
  if (!lost) return;
  std::string why = why_;
  lost_old(why);
}

void release_machine::forget() noexcept {
  phase_ = phase::idle;
  paused_ = held_ = false;
  active_ = next_ = old_ = 0;
  orders_.clear();
}

void release_machine::enter(phase p, release_state s) {
  phase_ = p;
  give({kind::tell, next_, 0, s});
}

const char* to_string(input i) noexcept {
  static constexpr const char* names[] = {
      "deploy",  "started",   "not_started", "healthy",    "unhealthy",  "warmed",      "not_warmed",
      "saved",   "not_saved", "routed",      "not_routed", "stage_over", "traffic_bad", "drained",
      "stopped", "next_lost", "old_lost",    "pause",      "resume",     "abort",       "rollback"};
  static_assert(std::size(names) == input_count);
  return names[static_cast<unsigned>(i)];
}

const char* to_string(release_machine::phase p) noexcept {
  static constexpr const char* names[] = {"idle",     "starting", "probing",    "warming",  "recording",
                                          "routing",  "watching", "committing", "draining", "stopping",
                                          "retiring", "undoing",  "undraining", "removing"};
  return names[static_cast<unsigned>(p)];
}

}  // namespace osvm::hotswap::detail
