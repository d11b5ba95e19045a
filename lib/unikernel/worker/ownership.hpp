// Who owns the instance of this worker: its creator, nobody for a while, another process. What an owner must
// hear and nobody was there for is kept.
//
// Threads: one receives and changes the owner; others tell. telling_ makes each thing that is told go to
// exactly one owner, or be kept.
#pragma once

#include "unikernel/worker/lobby.hpp"

#include <osvm/unikernel/instance.hpp>

#include <deque>
#include <mutex>

namespace osvm::unikernel {

class ownership final {
 public:
  // Borrows the link, whose other end is the creator.
  explicit ownership(wire::link& link) noexcept : link_(link) {}

  // Before the guest runs: the end of an owner is not the end of the worker for so long.
  result<void> outlive(std::chrono::nanoseconds orphan_after, const adoption_ticket& ticket,
                       const instance_options& options);

  // The next message of whoever is the owner then. errc::closed: nobody is, and nobody came in time.
  result<wire::message> receive();
  // Whether an error of sending may only mean that the owner is gone, and another one may come.
  bool may_be_lost(const error& e) const noexcept;

  void tell_listening(listener which);
  void tell_end(exit_report report);
  void tell_events(std::span<const event> events);
  std::uint64_t dropped() const noexcept;

 private:
  using time_point = lobby::time_point;
  result<std::optional<wire::message>> take_message();
  void wait() const;
  void lose_owner();
  void welcome(lobby::visitor next);
  template <class T>
  bool send(wire::kind what, T value);
  void keep(std::span<const event> events);

  wire::link& link_;
  lobby lobby_;
  std::chrono::nanoseconds orphan_after_{0};
  std::optional<time_point> give_up_;  // of the receiving thread; none: there is an owner

  mutable std::mutex telling_;
  bool owned_ = true;
  wire::adopted_instance self_;
  std::vector<listener> listening_;
  std::optional<exit_report> ended_;
  std::deque<event> kept_;
  std::uint64_t dropped_ = 0;
};

}  // namespace osvm::unikernel
