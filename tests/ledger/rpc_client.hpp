// A blocking JSON-RPC client over one kept connection, for tests that count what is lost.
#pragma once

#include <osvm/core/unique_fd.hpp>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>

namespace osvm::ledger::test {

class rpc_client {
 public:
  explicit rpc_client(std::uint16_t port) : port_(port) {}
  explicit rpc_client(std::string path) : path_(std::move(path)) {}

  // The body of the answer; nothing when there was none, or another status than 200.
  std::optional<std::string> post(const std::string& body) {
    if (!fd_ && !connect()) return std::nullopt;
    const std::string request =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    for (std::size_t at = 0; at < request.size();) {
      const auto n = ::send(fd_.get(), request.data() + at, request.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return drop("send");
      at += static_cast<std::size_t>(n);
    }
    std::string got;
    for (;;) {
      if (const auto whole = take(got)) return whole;
      if (!last_error.empty()) return drop(last_error);
      pollfd p{fd_.get(), POLLIN, 0};
      if (::poll(&p, 1, 30'000) <= 0) return drop("no answer");
      char part[65536];
      const auto n = ::recv(fd_.get(), part, sizeof part, 0);
      if (n <= 0) return drop("closed");
      got.append(part, static_cast<std::size_t>(n));
    }
  }
  // The number that `method` answers.
  std::optional<std::uint64_t> number(const std::string& method, const std::string& params = "[]") {
    const auto text =
        post(R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":)" + params + "}");
    const auto at = text ? text->find("\"result\":") : std::string::npos;
    if (at == std::string::npos) return std::nullopt;
    std::uint64_t out = 0;
    const auto [end, e] = std::from_chars(text->data() + at + 9, text->data() + text->size(), out);
    if (e != std::errc{}) return std::nullopt;
    return out;
  }
  std::string last_error;

 private:
  bool connect() {
    last_error.clear();
    if (!path_.empty()) {
      sockaddr_un to{};
      to.sun_family = AF_UNIX;
      std::memcpy(to.sun_path, path_.data(), std::min(path_.size(), sizeof to.sun_path - 1));
      fd_ = unique_fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      return ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 ||
             (fd_.reset(), false);
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd_ = unique_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 ||
           (fd_.reset(), false);
  }
  std::optional<std::string> take(const std::string& got) {
    const auto end = got.find("\r\n\r\n");
    if (end == std::string::npos) return std::nullopt;
    const auto at = got.find("ontent-");
    const auto length = got.find("ength: ", at == std::string::npos ? 0 : at);
    if (!got.starts_with("HTTP/1.1 200") || length > end) {
      last_error = got.substr(0, got.find('\r'));
      return std::nullopt;
    }
    std::size_t size = 0;
    std::from_chars(got.data() + length + 7, got.data() + end, size);
    if (got.size() < end + 4 + size) return std::nullopt;
    return got.substr(end + 4);
  }
  std::optional<std::string> drop(std::string why) {
    last_error = std::move(why);
    fd_.reset();
    return std::nullopt;
  }
  std::uint16_t port_ = 0;
  std::string path_;
  unique_fd fd_;
};

}  // namespace osvm::ledger::test
