// How to connect to an endpoint, as a state machine that never blocks. Two drivers run it: poll() and Asio.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/vsock/connect.hpp>
#include <osvm/vsock/endpoint.hpp>

#include "vsock/line_reader.hpp"

namespace osvm::vsock {

// Not thread-safe.
class connector final {
 public:
  enum class action {
    wait_readable,  // step() again when fd() is readable
    wait_writable,  // step() again when fd() is writable
    retry_later,    // step() again after a moment: the listener's queue is full; there is no fd()
    done,           // take() the connection
  };

  explicit connector(endpoint where) noexcept : where_(std::move(where)) {}
  result<action> step();
  int fd() const noexcept { return fd_.get(); }
  unique_fd take() noexcept { return std::move(fd_); }

 private:
  enum class phase {
    opening,     // no socket yet
    connecting,  // TCP connect in progress
    answering,   // CONNECT sent, OK expected
  };
  result<action> open_tcp(const tcp_endpoint& to);
  result<action> open_unix(const std::string& path);
  result<action> finish_tcp();
  result<action> greet();
  result<action> read_answer();
  error refused() const;

  endpoint where_;
  unique_fd fd_;
  phase phase_ = phase::opening;
  line_reader answer_{parse_ok};
};

}  // namespace osvm::vsock
