// Servers for tests of clients: a listener whose every connection is a lambda, and other programs as servers.
#pragma once

#include <osvm/core/runtime.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/net/url.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

extern char** environ;

namespace osvm::test {

class folder final {
 public:
  folder() {
    std::string name = "/tmp/osvm-net-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~folder() { std::filesystem::remove_all(path_); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// One accepted connection, blocking.
class peer final {
 public:
  explicit peer(unique_fd fd) : fd_(std::move(fd)) {}
  // Until `end` was seen, or the client has gone.
  std::string read_until(const std::string& end) {
    while (seen_.find(end) == std::string::npos) {
      char buffer[4096];
      const auto n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (n <= 0) return {};
      seen_.append(buffer, static_cast<std::size_t>(n));
    }
    const auto size = seen_.find(end) + end.size();
    auto out = seen_.substr(0, size);
    seen_.erase(0, size);
    return out;
  }
  std::string read_exactly(std::size_t size) {
    while (seen_.size() < size) {
      char buffer[4096];
      const auto n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (n <= 0) return {};
      seen_.append(buffer, static_cast<std::size_t>(n));
    }
    auto out = seen_.substr(0, size);
    seen_.erase(0, size);
    return out;
  }
  std::string request() { return read_until("\r\n\r\n"); }
  // False when the client has gone.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const auto n = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  void answer(const std::string& body) {
    send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  long read_some(char* into, std::size_t size) {
    if (seen_.empty()) return ::recv(fd_.get(), into, size, 0);
    const auto n = seen_.copy(into, size);
    seen_.erase(0, n);
    return static_cast<long>(n);
  }
  void wait_to_be_closed_without_reading() {
    pollfd item{.fd = fd_.get(), .events = POLLRDHUP, .revents = 0};
    ::poll(&item, 1, -1);
  }
  // Blocks until the client closes.
  void wait_for_end() {
    char buffer[4096];
    while (::recv(fd_.get(), buffer, sizeof buffer, 0) > 0) {
    }
  }

 private:
  unique_fd fd_;
  std::string seen_;
};

// Each connection gets a thread that runs `serve(peer, number of the connection)`.
class test_server final {
 public:
  using serve_function = std::function<void(peer&, int)>;
  explicit test_server(serve_function serve) : serve_(std::move(serve)) {
    listener_ = unique_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(listener_.get(), 64), 0);
    socklen_t size = sizeof at;
    EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
    port_ = ntohs(at.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  // At a unix socket.
  test_server(const std::string& path, serve_function serve) : serve_(std::move(serve)) {
    listener_ = unique_fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    EXPECT_LT(path.copy(at.sun_path, sizeof at.sun_path - 1), sizeof at.sun_path - 1);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(listener_.get(), 64), 0);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~test_server() {
    ::shutdown(listener_.get(), SHUT_RDWR);  // ends accept()
    acceptor_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (auto& t : threads_) t.join();
  }
  test_server(const test_server&) = delete;
  test_server& operator=(const test_server&) = delete;
  std::uint16_t port() const { return port_; }
  net::url where(const std::string& target = "/") const {
    return *net::parse_url("http://127.0.0.1:" + std::to_string(port_) + target);
  }
  int connections() const { return count_; }

 private:
  void accept_all() {
    for (;;) {
      unique_fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) return;
      const int number = count_++;
      const std::lock_guard lock(mutex_);
      open_.push_back(fd.get());
      threads_.emplace_back(
          [this, number, raw = fd.get(), p = std::make_shared<peer>(std::move(fd))]() mutable {
            serve_(*p, number);
            const std::lock_guard inner(mutex_);
            std::erase(open_, raw);
            p.reset();
          });
    }
  }
  serve_function serve_;
  unique_fd listener_;
  std::uint16_t port_ = 0;
  std::atomic<int> count_ = 0;
  std::thread acceptor_;
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
};

// Another program; ended by its id when the object goes.
class child final {
 public:
  // Its standard output can be read with line().
  explicit child(std::vector<std::string> words) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    out_ = unique_fd(ends[0]);
    const unique_fd write_end(ends[1]);
    std::vector<char*> argv;
    for (auto& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), 1);
    if (::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid_ = -1;
    ::posix_spawn_file_actions_destroy(&actions);
  }
  ~child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  // The next line; empty when the program has ended.
  std::string line() {
    std::string text;
    char c;
    while (::read(out_.get(), &c, 1) == 1 && c != '\n') text.push_back(c);
    return text;
  }
  // The exit status, once it has ended.
  int wait() {
    int status = -1;
    if (pid_ > 0) ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  unique_fd out_;
};

}  // namespace osvm::test
