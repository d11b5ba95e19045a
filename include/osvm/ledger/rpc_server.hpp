// Serves an rpc_service over HTTP/1.1 and WebSocket (subscriptions) on a listening socket, by plain epoll: it
// runs unchanged on the host and as the only program of a VM. The loop belongs to the caller's thread;
// nothing is started.
#pragma once

#include <osvm/core/clock.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/ledger/rpc_service.hpp>

#include <cstdint>
#include <string>

namespace osvm::ledger {

// For each WebSocket client.
struct ws_limits {
  std::size_t max_message = 50 << 10;  // received, in bytes
  std::size_t max_queued = 8 << 20;    // bytes that wait to be taken; more, and it is dropped with a reason
  std::size_t max_subscriptions = 256;
};

struct rpc_server_options {
  std::size_t max_connections = 512;  // further ones wait in the listener's queue
  std::size_t max_head = 16 << 10;    // bytes of a request's head
  nanoseconds idle_timeout = std::chrono::seconds(60);
  nanoseconds refresh_every =
      std::chrono::milliseconds(200);  // how often the ledger is looked at anew; 0: never
  ws_limits sockets{};
  // Borrowed; negative: none. Once it is readable another server takes over: WebSockets are told to go away
  // (1001), new ones at once, and requests are answered on.
  int leave_fd = -1;
  // Sent as X-Osvm-Release with every HTTP answer, so that clients can tell which release it was that
  // answered; visible ASCII, at most 64 characters. Empty: no such field.
  std::string release{};
  // Bytes of the upstream's answers that wait for the rest of their batch or to be taken: of one request or
  // batch, and of all. What is above is answered by an error.
  std::size_t max_forwarded = 16 << 20, max_forwarded_of_all = 64 << 20;
};

struct rpc_server_stats {
  std::uint64_t accepted = 0, requests = 0, refused = 0;  // refused: malformed or over a limit
  std::uint64_t refresh_failures = 0;
};

// Not thread-safe: one thread runs it. `service` is borrowed and must outlive it.
class rpc_server final {
 public:
  // `listener` is a listening TCP or unix stream socket; it becomes non-blocking.
  rpc_server(rpc_service& service, unique_fd listener, rpc_server_options options = {});
  ~rpc_server();
  rpc_server(const rpc_server&) = delete;
  rpc_server& operator=(const rpc_server&) = delete;

  // Serves until `stop_fd` (borrowed; negative: for ever) is readable. Requests being answered are then
  // answered, all connections closed. Fails only when the system refuses epoll, or with
  // errc::invalid_argument when options.release is no such text.
  result<> run(int stop_fd);
  const rpc_server_stats& stats() const noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

// A listening TCP socket on a literal address, such as "127.0.0.1:8899" or "[::1]:0".
result<unique_fd> listen_tcp(std::string_view address);
// The address that a listening socket really has.
result<std::string> local_address(int fd);

}  // namespace osvm::ledger
