#include "unikernel/worker/ownership.hpp"

#include <algorithm>

namespace osvm::unikernel {
namespace {

using clock_type = std::chrono::steady_clock;
using wire::kind;

constexpr std::size_t events_in_a_message = 256;

}  // namespace

result<void> ownership::outlive(std::chrono::nanoseconds orphan_after, const adoption_ticket& ticket,
                                const instance_options& options) {
  OSVM_CHECK(lobby_.open(ticket));
  orphan_after_ = orphan_after;
  self_.granted = options.policy.listen;
  self_.denials = options.events.denials;
  self_.trace = options.events.trace;
  self_.log = options.output.type == stdio::kind::log || options.error.type == stdio::kind::log;
  self_.event_capacity = options.events.capacity;
  return {};
}

result<wire::message> ownership::receive() {
  if (!lobby_.is_open()) return link_.receive();
  for (;;) {
    wait();
    OSVM_TRY(auto m, take_message());
    if (m) return std::move(*m);
    if (auto next = lobby_.admit(!give_up_)) welcome(std::move(*next));
    if (give_up_ && clock_type::now() >= *give_up_)
      return error(osvm::errc::closed, "nobody has adopted the instance");
  }
}

void ownership::wait() const {
  std::vector<pollfd> all;
  if (!give_up_) all.push_back({.fd = link_.fd(), .events = POLLIN, .revents = 0});
  lobby_.add_to(all);
  std::optional<time_point> until = lobby_.next_deadline();
  if (give_up_) until = until ? std::min(*until, *give_up_) : *give_up_;
  int wait_ms = -1;
  if (until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - clock_type::now()).count();
    wait_ms = static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
  }
  (void)::poll(all.data(), all.size(), wait_ms);
}

// Of the owner, before anybody else is heard: who comes after its end finds its place free.
result<std::optional<wire::message>> ownership::take_message() {
  if (give_up_) return std::optional<wire::message>();
  pollfd p{.fd = link_.fd(), .events = POLLIN, .revents = 0};
  if (::poll(&p, 1, 0) <= 0) return std::optional<wire::message>();
  auto m = link_.receive();
  if (m) return std::optional<wire::message>(std::move(*m));
  if (m.error().code != make_error_code(osvm::errc::closed)) return m.error();
  lose_owner();
  return std::optional<wire::message>();
}

void ownership::lose_owner() {
  link_.shut_down();  // who sends right now stops waiting, and lets go of the lock
  const std::lock_guard guard(telling_);
  owned_ = false;
  link_.replace({});
  give_up_ = clock_type::now() + orphan_after_;
}

void ownership::welcome(lobby::visitor next) {
  const std::lock_guard guard(telling_);
  link_.replace(std::move(next.socket));
  owned_ = true;
  give_up_.reset();
  wire::writer body = wire::answer_body<wire::adopted_instance>(self_);
  if (!link_.send(kind::answer, next.question, body)) return;  // receive() finds that it is gone again
  for (const listener& l : listening_) (void)send(kind::listening, l);
  while (!kept_.empty()) {
    const auto n = static_cast<std::ptrdiff_t>(std::min(kept_.size(), events_in_a_message));
    if (!send(kind::events, std::vector<event>(kept_.begin(), kept_.begin() + n))) return;
    kept_.erase(kept_.begin(), kept_.begin() + n);
  }
  if (ended_) (void)send(kind::ended, *ended_);
}

bool ownership::may_be_lost(const error& e) const noexcept {
  return lobby_.is_open() && e.code == make_error_code(osvm::errc::closed);
}

// With telling_ held.
template <class T>
bool ownership::send(kind what, T value) {
  wire::writer body;
  body(value);
  return owned_ && link_.send(what, 0, body);
}

void ownership::tell_listening(listener which) {
  const std::lock_guard guard(telling_);
  listening_.push_back(which);
  (void)send(kind::listening, which);
}

void ownership::tell_end(exit_report report) {
  const std::lock_guard guard(telling_);
  ended_ = std::move(report);
  (void)send(kind::ended, *ended_);
}

void ownership::tell_events(std::span<const event> events) {
  const std::lock_guard guard(telling_);
  if (!send(kind::events, std::vector<event>(events.begin(), events.end())) && lobby_.is_open()) keep(events);
}

void ownership::keep(std::span<const event> events) {
  for (const event& e : events) {
    if (kept_.size() < self_.event_capacity) {
      kept_.push_back(e);
    } else {
      ++dropped_;
    }
  }
}

std::uint64_t ownership::dropped() const noexcept {
  const std::lock_guard guard(telling_);
  return dropped_;
}

}  // namespace osvm::unikernel
