// Where a worker waits for a new owner: a socket in a private folder, and who has connected but not yet shown
// the nonce.
#pragma once

#include "unikernel/worker/link.hpp"

#include <osvm/unikernel/adoption.hpp>

#include <poll.h>

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

namespace osvm::unikernel {

inline constexpr std::string_view adoption_suffix = ".adopt";  // of the sockets' names

// Of one thread, which waits in poll(). Removes its socket when destroyed.
class lobby final {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  lobby() = default;
  ~lobby();
  lobby(const lobby&) = delete;
  lobby& operator=(const lobby&) = delete;

  // Listens. Sockets of the same kind in that folder that nobody serves any more are removed.
  result<void> open(const adoption_ticket& ticket);
  bool is_open() const noexcept { return static_cast<bool>(listening_); }

  // What to wait for, and until when at most.
  void add_to(std::vector<pollfd>& all) const;
  std::optional<time_point> next_deadline() const;

  // Who wants to be the owner.
  struct visitor {
    unique_fd socket;
    std::uint32_t question = 0;  // to be answered
  };
  // After poll(). Whoever shows no nonce, or a wrong one, is sent away; with `owned` everybody is.
  std::optional<visitor> admit(bool owned);

 private:
  struct candidate {
    unique_fd socket;
    time_point until;
  };
  void accept_all();
  std::optional<visitor> judge(candidate& c, bool owned);

  adoption_ticket ticket_;
  unique_fd listening_;
  std::vector<candidate> candidates_;
};

// The longest path that a socket can have is shorter than other paths.
result<void> check_socket_path(const std::string& path);

}  // namespace osvm::unikernel
