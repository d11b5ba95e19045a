#include "hotswap/support/sockets.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace osvm::test {
namespace {

unique_fd connect_tcp(unique_fd fd, const tcp_endpoint& tcp) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(tcp.port);
  ::inet_pton(AF_INET, tcp.host.c_str(), &a.sin_addr);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) return {};
  return fd;
}

unique_fd connect_to(const endpoint& where) {
  if (const auto* un = std::get_if<unix_endpoint>(&where)) {
    unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::strncpy(a.sun_path, un->path.c_str(), sizeof a.sun_path - 1);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) return {};
    return fd;
  }
  return connect_tcp(unconnected_socket(), std::get<tcp_endpoint>(where));
}

std::string lower(std::string_view s) {
  std::string r(s);
  for (auto& c : r) c = static_cast<char>(::tolower(static_cast<unsigned char>(c)));
  return r;
}

}  // namespace

unique_fd unconnected_socket() {
  return unique_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

client::client(const endpoint& where) : fd_(connect_to(where)) {}
client::client(unique_fd socket, const endpoint& where)
    : fd_(connect_tcp(std::move(socket), std::get<tcp_endpoint>(where))) {}

bool client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool client::fill(std::chrono::steady_clock::time_point until) {
  if (ended_) return false;
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  pollfd p{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&p, 1, static_cast<int>(std::max<std::int64_t>(0, left.count()))) <= 0) return false;
  char chunk[65536];
  const auto n = ::recv(fd_.get(), chunk, sizeof chunk, 0);
  if (n <= 0) {
    ended_ = true;
    reset_ = n < 0;
    return false;
  }
  buffer_.append(chunk, static_cast<std::size_t>(n));
  return true;
}

std::string client::read(std::size_t n, std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (buffer_.size() < n && fill(until)) {
  }
  auto r = buffer_.substr(0, n);
  buffer_.erase(0, r.size());
  return r;
}

std::string client::read_until(std::string_view mark, std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  std::size_t at = 0;
  while ((at = buffer_.find(mark)) == std::string::npos) {
    if (!fill(until)) return {};
  }
  return read(at + mark.size(), timeout);
}

std::string client::read_all(std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (fill(until)) {
  }
  return std::exchange(buffer_, {});
}

bool client::at_end(std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (!ended_ && fill(until)) {
  }
  return ended_;
}

std::string header_of(std::string_view head, std::string_view name) {
  const auto wanted = "\r\n" + lower(name) + ":";
  const auto all = lower(head);
  const auto at = all.find(wanted);
  if (at == std::string::npos) return {};
  auto value = head.substr(at + wanted.size());
  value = value.substr(0, value.find("\r\n"));
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  return std::string(value);
}

std::string client::response::header(std::string_view name) const {
  return header_of(head, name);
}
std::string seen_request::header(std::string_view name) const {
  return header_of(head, name);
}

namespace {

// Reads a chunked body through `more`, which returns the next byte or -1.
bool read_chunked(const std::function<int()>& more, std::string& body) {
  for (;;) {
    std::string line;
    for (int c = more(); c != '\n'; c = more()) {
      if (c < 0) return false;
      line.push_back(static_cast<char>(c));
    }
    const auto n = std::strtoul(line.c_str(), nullptr, 16);
    for (unsigned long i = 0; i < n + 2; ++i) {
      const int c = more();
      if (c < 0) return false;
      if (i < n) body.push_back(static_cast<char>(c));
    }
    if (n == 0) return true;
  }
}

}  // namespace

client::response client::receive(bool to_head, std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  response r;
  std::size_t end = std::string::npos;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill(until)) return r;
  }
  r.head = buffer_.substr(0, end + 4);
  buffer_.erase(0, end + 4);
  r.status = static_cast<unsigned>(std::atoi(r.head.c_str() + 9));
  const auto next = [&]() -> int {
    while (buffer_.empty()) {
      if (!fill(until)) return -1;
    }
    const auto c = static_cast<unsigned char>(buffer_.front());
    buffer_.erase(0, 1);
    return c;
  };
  if (to_head || r.status < 200 || r.status == 204 || r.status == 304) {
    r.complete = true;
  } else if (r.header("transfer-encoding") == "chunked") {
    r.complete = read_chunked(next, r.body);
  } else if (const auto length = r.header("content-length"); !length.empty()) {
    const auto n = static_cast<std::size_t>(std::atoll(length.c_str()));
    while (buffer_.size() < n && fill(until)) {
    }
    r.body = buffer_.substr(0, n);
    buffer_.erase(0, r.body.size());
    r.complete = r.body.size() == n;
  } else {
    while (fill(until)) {
    }
    r.body = std::exchange(buffer_, {});
    r.complete = ended_ && !reset_;
  }
  return r;
}

client::response client::get(const std::string& path, const std::string& extra) {
  send("GET " + path + " HTTP/1.1\r\nHost: t\r\n" + extra + "\r\n");
  return receive();
}

void client::shut_down() {
  ::shutdown(fd_.get(), SHUT_WR);
}

void client::abort() {
  const linger hard{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  fd_.reset();
}

std::string temp_folder() {
  char path[] = "/tmp/osvm-test-XXXXXX";
  return ::mkdtemp(path) ? path : "";
}

server::server(script s, int backlog) : dir_(temp_folder()), path_(dir_ + "/s"), script_(std::move(s)) {
  listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  std::strncpy(a.sun_path, path_.c_str(), sizeof a.sun_path - 1);
  ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&a), sizeof a);
  ::listen(listener_.get(), backlog);
  acceptor_ = std::thread([this] { accept_loop(); });
}

void server::accept_loop() {
  for (;;) {
    unique_fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (stopping_) return;
    if (!fd) continue;
    ++connections_;
    std::lock_guard lock(mutex_);
    open_.push_back(fd.get());
    threads_.emplace_back([this, raw = fd.release()] {
      {
        client c{unique_fd(raw)};
        script_(c);
      }
      ++closed_;
      std::lock_guard inner(mutex_);
      std::erase(open_, raw);
    });
  }
}

void server::stop() {
  if (stopping_.exchange(true)) return;
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  {
    std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (auto& t : threads_) t.join();
  listener_.reset();
  ::unlink(path_.c_str());
  ::rmdir(dir_.c_str());
}

server::~server() {
  stop();
}

std::optional<seen_request> read_request(client& c, std::chrono::milliseconds timeout) {
  seen_request r;
  r.head = c.read_until("\r\n\r\n", timeout);
  if (r.head.empty()) return std::nullopt;
  if (r.header("transfer-encoding") == "chunked") {
    const auto next = [&]() -> int {
      const auto byte = c.read(1, timeout);
      return byte.empty() ? -1 : static_cast<unsigned char>(byte[0]);
    };
    if (!read_chunked(next, r.body)) return std::nullopt;
  } else if (const auto length = r.header("content-length"); !length.empty()) {
    const auto n = static_cast<std::size_t>(std::atoll(length.c_str()));
    r.body = c.read(n, timeout);
    if (r.body.size() != n) return std::nullopt;
  }
  return r;
}

server::script release_script(std::string version) {
  return [version](client& c) {
    while (const auto r = read_request(c, 60s)) {
      const std::string body = "hello " + version + "\n";
      if (!c.send("HTTP/1.1 200 OK\r\nX-Osvm-Release: " + version +
                  "\r\nX-Osvm-Nonce: " + r->header("x-osvm-nonce") +
                  "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body)) {
        return;
      }
    }
  };
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

std::size_t open_descriptors() {
  std::size_t n = 0;
  DIR* d = ::opendir("/proc/self/fd");
  while (::readdir(d)) ++n;
  ::closedir(d);
  return n;
}

}  // namespace osvm::test
