// Blocking sockets and a scripted server for the proxy's tests: what a client or a release does, byte by
// byte.
#pragma once

#include <osvm/core/unique_fd.hpp>
#include <osvm/vsock/endpoint.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace osvm::test {

using namespace std::chrono_literals;

// A blocking client connection; every read gives up after its timeout.
class client {
 public:
  explicit client(const endpoint& where);
  explicit client(unique_fd fd) : fd_(std::move(fd)) {}
  // Connects a socket that was made before.
  client(unique_fd socket, const endpoint& where);
  bool connected() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }

  bool send(std::string_view bytes);
  // Reads until `n` bytes are there, the peer ends or `timeout` has passed; gives what came.
  std::string read(std::size_t n, std::chrono::milliseconds timeout = 20s);
  // Reads up to and with `mark`; empty when the peer ends before.
  std::string read_until(std::string_view mark, std::chrono::milliseconds timeout = 20s);
  // Reads until the peer ends its side. `reset()` tells how.
  std::string read_all(std::chrono::milliseconds timeout = 20s);
  // One response with Content-Length, chunked or no body: its head and its decoded body.
  struct response {
    unsigned status = 0;
    std::string head, body;
    bool complete = false;
    bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
    std::string header(std::string_view name) const;
  };
  response receive(bool to_head = false, std::chrono::milliseconds timeout = 20s);
  response get(const std::string& path, const std::string& extra = {});
  void shut_down();
  // Closes with a reset.
  void abort();
  void close() { fd_.reset(); }
  // Nothing more comes: the peer has closed, in order or by reset.
  bool at_end(std::chrono::milliseconds timeout = 20s);
  bool reset() const { return reset_; }

 private:
  bool fill(std::chrono::steady_clock::time_point until);
  unique_fd fd_;
  std::string buffer_;
  bool ended_ = false;
  bool reset_ = false;
};

// A server on a unix socket in a folder of its own: each connection gets a thread that runs the script.
class server {
 public:
  using script = std::function<void(client&)>;
  explicit server(script s, int backlog = 128);
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  endpoint where() const { return unix_endpoint{path_}; }
  const std::string& path() const { return path_; }
  std::uint64_t connections() const { return connections_; }
  std::uint64_t closed() const { return closed_; }
  // Stops accepting and cuts every connection.
  void stop();

 private:
  void accept_loop();
  std::string dir_, path_;
  script script_;
  unique_fd listener_;
  std::atomic<std::uint64_t> connections_{0}, closed_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<std::thread> threads_;
  std::vector<int> open_;
  std::thread acceptor_;
};

// A request as a server sees it.
struct seen_request {
  std::string head, body;
  std::string line() const { return head.substr(0, head.find("\r\n")); }
  std::string header(std::string_view name) const;
  bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
};
// Reads one request with Content-Length or chunked body; empty when the peer has ended.
std::optional<seen_request> read_request(client& c, std::chrono::milliseconds timeout = 10s);

// A keep-alive HTTP server that answers as a release does: X-Osvm-Release, echoed X-Osvm-Nonce, 200, "hello
// VERSION".
server::script release_script(std::string version);

unique_fd unconnected_socket();  // TCP
std::string header_of(std::string_view head, std::string_view name);
// Waits for a condition; true when it came.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds timeout = 20s);
std::size_t open_descriptors();
std::string temp_folder();

}  // namespace osvm::test
