#include "proxy_control.hpp"

#include <osvm/core/clock.hpp>
#include <osvm/hotswap/gateway.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

namespace osvm::cli {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

constexpr std::size_t longest_proxy_request = 64 * 1024, longest_proxy_answer = 16 << 20, most_talks = 16;

result<sockaddr_un> proxy_address_of(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof out.sun_path) {
    return error(errc::limit_exceeded, "'" + path + "' is no path for a socket (at most 107 bytes)");
  }
  std::memcpy(out.sun_path, path.data(), path.size());
  return out;
}

// One line without its end; `stop` ends the waiting.
result<std::string> read_line(int fd, int stop, std::size_t limit, const deadline& until) {
  std::string out;
  for (;;) {
    pollfd p[2] = {{fd, POLLIN, 0}, {stop, POLLIN, 0}};
    const int ready = ::poll(p, stop >= 0 ? 2 : 1, until.poll_timeout());
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return errno_error("poll");
    if (ready == 0) return error(errc::timed_out, "no answer in time");
    if (stop >= 0 && p[1].revents != 0) return error(errc::cancelled, "the proxy ends");
    char part[4096];
    const auto n = ::recv(fd, part, sizeof part, 0);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return errno_error("recv");
    if (n == 0) return error(errc::closed, "the proxy closed the control connection");
    out.append(part, static_cast<std::size_t>(n));
    if (const auto end = out.find('\n'); end != std::string::npos) return out.substr(0, end);
    if (out.size() > limit) return error(errc::limit_exceeded, "too long a line");
  }
}

void send_whole(int fd, std::string_view text) {
  const auto until = deadline::after(5s);
  while (!text.empty()) {
    const auto n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    pollfd p{fd, POLLOUT, 0};
    if (errno == EAGAIN && ::poll(&p, 1, until.poll_timeout()) > 0) continue;
    if (errno != EINTR) return;
  }
}

result<> check_proxy_peer(int fd) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return errno_error("SO_PEERCRED");
  if (who.uid != ::geteuid() && ::geteuid() != 0 && who.uid != 0) {
    return error(errc::denied, "the control socket is another user's");
  }
  return {};
}

json::object parsed(const std::string& line) {
  boost::system::error_code ec;
  auto v = json::parse(line, ec);
  return !ec && v.is_object() ? std::move(v.as_object()) : json::object();
}

}  // namespace

result<std::unique_ptr<proxy_control>> proxy_control::listen(const std::string& path,
                                                             answer_function answer) {
  OSVM_TRY(auto where, proxy_address_of(path));
  unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("socket");
  unique_fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (probe && ::connect(probe.get(), reinterpret_cast<sockaddr*>(&where), sizeof where) == 0) {
    return error(errc::busy, "another proxy listens on " + path);
  }
  if (errno == ECONNREFUSED) ::unlink(path.c_str());
  // The socket is never open to others, not even for a moment: nobody can connect before it listens.
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&where), sizeof where) != 0)
    return errno_error("bind " + path);
  if (::chmod(path.c_str(), 0600) != 0) return errno_error("chmod " + path);
  if (::listen(fd.get(), 16) != 0) return errno_error("listen " + path);
  unique_fd end(::eventfd(0, EFD_CLOEXEC));
  if (!end) return errno_error("eventfd");
  return std::unique_ptr<proxy_control>(
      new proxy_control(path, std::move(fd), std::move(end), std::move(answer)));
}

proxy_control::proxy_control(std::string path, unique_fd listener, unique_fd end, answer_function answer)
    : path_(std::move(path)),
      listener_(std::move(listener)),
      end_(std::move(end)),
      answer_(std::move(answer)) {
  thread_ = std::thread([this] { serve(); });
}

proxy_control::~proxy_control() {
  const std::uint64_t one = 1;
  [[maybe_unused]] auto n = ::write(end_.get(), &one, sizeof one);
  thread_.join();
  sweep(true);
  ::unlink(path_.c_str());
}

void proxy_control::serve() {
  for (;;) {
    pollfd p[2] = {{listener_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
    if (::poll(p, 2, -1) < 0 && errno != EINTR) return;
    if (p[1].revents != 0) return;
    unique_fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client || !check_proxy_peer(client.get())) continue;
    sweep(false);
    if (talks_.size() >= most_talks) continue;
    auto& t = talks_.emplace_back();
    t.thread = std::thread([this, &t, fd = std::move(client)]() mutable {
      converse(std::move(fd));
      std::lock_guard lock(mutex_);
      t.over = true;
    });
  }
}

void proxy_control::sweep(bool all) {
  for (auto it = talks_.begin(); it != talks_.end();) {
    {
      std::lock_guard lock(mutex_);
      if (!all && !it->over) {
        ++it;
        continue;
      }
    }
    it->thread.join();
    it = talks_.erase(it);
  }
}

void proxy_control::converse(unique_fd client) {
  const auto line = read_line(client.get(), end_.get(), longest_proxy_request, deadline::after(5s));
  if (!line) return;
  json::object out;
  try {
    auto answer = answer_(parsed(*line));
    out = answer ? std::move(*answer) : json::object{{"error", answer.error().to_string()}};
  } catch (const std::exception& e) {  // a member of the wrong type
    out = {{"error", std::string("a malformed request: ") + e.what()}};
  }
  send_whole(client.get(), json::serialize(out) + "\n");
}

result<json::object> ask_proxy(const std::string& path, const json::object& request,
                               std::chrono::milliseconds patience) {
  OSVM_TRY(auto where, proxy_address_of(path));
  unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("socket");
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) {
    return errno_error("no proxy answers on " + path);
  }
  OSVM_CHECK(check_proxy_peer(fd.get()));
  send_whole(fd.get(), json::serialize(request) + "\n");
  OSVM_TRY(const auto line, read_line(fd.get(), -1, longest_proxy_answer, deadline::after(patience)));
  auto answer = parsed(line);
  if (const auto* wrong = answer.if_contains("error"); wrong && wrong->is_string()) {
    return error(errc::denied, std::string(wrong->as_string()));
  }
  return answer;
}

result<std::string> proxy_control_path(const std::string& control, const std::string& file) {
  if (!control.empty()) return control;
  if (file.empty()) return error(errc::invalid_argument, "which proxy? Give --control SOCKET, or -c FILE");
  OSVM_TRY(auto config, hotswap::load_gateway_config(file));
  if (config.control.empty()) return error(errc::not_found, file + " names no `control` socket");
  return config.control;
}

}  // namespace osvm::cli
