// Messages with descriptors over a SOCK_SEQPACKET unix socket. A body that does not fit a datagram goes as a
// sealed memory file. The other end is not trusted: sizes and the number of descriptors are bounded, and what
// is refused is closed.
#pragma once

#include "unikernel/worker/messages.hpp"

#include <osvm/core/unique_fd.hpp>

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

namespace osvm::unikernel::wire {

inline constexpr std::size_t max_inline = 48 * 1024;             // bytes of a body inside a datagram
inline constexpr std::size_t max_body = std::size_t{256} << 20;  // of a memory file
inline constexpr std::size_t max_descriptors = 8;                // of one message

struct message {
  header head;
  std::string body;
  std::vector<unique_fd> fds;

  wire::kind kind() const noexcept { return static_cast<wire::kind>(head.kind); }
  // For reader: the descriptors' numbers.
  std::vector<int> numbers() const;
};

// Decodes a whole body into `value`; errc::malformed when it is anything else.
template <class T>
result<void> decode(const message& m, T& value) {
  const std::vector<int> numbers = m.numbers();
  reader in(m.body, numbers);
  in(value);
  if (!in.whole()) return error(osvm::errc::malformed, "message of the worker process");
  return {};
}

// An answer: what went wrong, if anything, and else the value.
template <class T>
writer answer_body(result<T> r) {
  std::pair<std::optional<failure>, std::optional<T>> both;
  if (r) {
    both.second = std::move(*r);
  } else {
    both.first = to_failure(r.error());
  }
  writer body;
  body(both);
  return body;
}

// One end of the socket. Sending is thread-safe; one thread receives.
class link final {
 public:
  // Before the first use. Sending waits at most `patience` for a slow other end; zero: for ever.
  void open(unique_fd socket, std::chrono::seconds patience = {}) noexcept;
  int fd() const noexcept { return socket_.get(); }  // readable when receive() will not wait
  // Another other end, or none: what is sent fails with errc::closed then. Of the thread that receives.
  void replace(unique_fd socket) noexcept;
  unique_fd take() noexcept { return std::move(socket_); }

  // Blocks while the other end is slow (errc::timed_out). errc::closed when it is gone.
  result<void> send(kind what, std::uint32_t id, writer& body);
  // Without a body, and only if it can go at once.
  void send_now(kind what) noexcept;
  // Blocks. errc::closed at the end; errc::malformed for what no message is.
  result<message> receive();
  // Lets a blocked receive() return, and the other end see the end.
  void shut_down() noexcept;

 private:
  unique_fd socket_;
  std::mutex sending_;
};

}  // namespace osvm::unikernel::wire
