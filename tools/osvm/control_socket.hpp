// The unix sockets by which a running command (`osvm proxy`, `osvm rpc local`) is asked and told: who may,
// and text in both directions, bounded in size and time.
#pragma once

#include <osvm/core/clock.hpp>
#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace osvm::cli {

// Listens at `path`, mode 0600 from its first moment. The socket of a process that is gone is replaced;
// anything else that stands there is errc::busy and stays.
result<unique_fd> listen_control(const std::string& path);
// Connected; the peer is not checked yet. Errors: errc::timed_out (its queue is full), the errno of
// connect().
result<unique_fd> connect_control(const std::string& path);

enum class peer_rule { same_user, same_user_or_root };
// errc::denied when the process at the other end is another user's. With `same_user_or_root` root may talk to
// everyone's, and everyone's to root's.
result<> check_peer(int fd, peer_rule rule);

struct read_bounds {
  std::size_t bytes = 0;
  osvm::deadline until;
  int stop = -1;            // readable: errc::cancelled; negative: none
  bool to_the_end = false;  // not only until the first line is whole
};
// What came until a line was whole, or the other end closed.
result<std::string> read_text(int fd, const read_bounds& bounds);
// For at most 2 s; a peer that leaves or does not read gets a part.
void send_text(int fd, std::string_view text);

}  // namespace osvm::cli
