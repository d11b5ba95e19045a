// The receiving side of hybrid vsock: one unix socket in front of all vsock ports of one guest.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/runtime.hpp>
#include <osvm/core/unique_fd.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace osvm::vsock {

struct hybrid_listener_options {
  // File name of the socket. The folder must exist, belong to the caller and be writable by nobody else. The
  // path may be longer than sockaddr_un allows; its last component may not exceed 80 bytes.
  std::string path;
  std::chrono::milliseconds handshake_timeout{2000};  // from accept to the CONNECT line's newline
  unsigned max_handshakes = 64;  // unfinished at once; further clients wait in the kernel's queue
};

// A client that asked for a registered port and has no answer yet. Dropping it refuses: the client sees its
// connection close without "OK". Move-only; used by one thread at a time.
class hybrid_request final {
 public:
  hybrid_request(unique_fd connection, std::uint32_t host_port) noexcept
      : connection_(std::move(connection)), host_port_(host_port) {}

  // The number that stands for the client, in [2^30, 2^31): the peer port that the guest sees.
  std::uint32_t host_port() const noexcept { return host_port_; }
  // Answers "OK <host port>" and gives the connected, non-blocking stream; bytes that the client sent behind
  // its CONNECT line are still unread in it. Call once. Fails when the client is gone.
  result<unique_fd> accept();

 private:
  unique_fd connection_;
  std::uint32_t host_port_;
};

// Takes or drops the request, on the listener's executor. It must neither block nor throw nor call the
// listener.
using port_sink = std::function<void(hybrid_request)>;

// Owner of the unix socket. Member functions are thread-safe. Connections that a sink took live on by
// themselves.
class hybrid_listener final {
 public:
  // Binds with mode 0600 and starts to accept on `ex`. Errors: errc::busy when a living process listens there
  // (a dead process's socket is replaced), errc::denied for a folder that others may write,
  // errc::invalid_argument, errno.
  static result<hybrid_listener> open(executor ex, hybrid_listener_options options);

  hybrid_listener(hybrid_listener&&) noexcept;
  hybrid_listener& operator=(hybrid_listener&&) noexcept;
  // Refuses new clients, drops unfinished handshakes and unlinks the socket if it is still ours. When it
  // returns, no sink runs or will run. May happen on any thread but inside a sink.
  ~hybrid_listener();

  const std::string& path() const noexcept;

  // errc::busy when the port is taken.
  result<void> register_port(std::uint32_t port, port_sink sink);
  // When it returns, the port's sink does not run and never will. False: it was not registered.
  bool unregister_port(std::uint32_t port) noexcept;

 private:
  struct state;
  explicit hybrid_listener(std::shared_ptr<state> s) noexcept;
  void close() noexcept;
  std::shared_ptr<state> state_;
};

}  // namespace osvm::vsock
