#include "proxy_control.hpp"

#include "control_socket.hpp"

#include <osvm/hotswap/gateway.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace osvm::cli {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

constexpr std::size_t longest_proxy_request = 64 * 1024, longest_proxy_answer = 16 << 20, most_talks = 16;
constexpr auto owners = peer_rule::same_user_or_root;

json::object parsed(const std::string& line) {
  boost::system::error_code ec;
  auto v = json::parse(line, ec);
  return !ec && v.is_object() ? std::move(v.as_object()) : json::object();
}

}  // namespace

result<std::unique_ptr<proxy_control>> proxy_control::listen(const std::string& path, answer_function answer,
                                                             hand_over_function hand_over) {
  OSVM_TRY(auto fd, listen_control(path));
  unique_fd end(::eventfd(0, EFD_CLOEXEC));
  if (!end) return errno_error("eventfd");
  return std::unique_ptr<proxy_control>(
      new proxy_control(path, std::move(fd), std::move(end), std::move(answer), std::move(hand_over)));
}

proxy_control::proxy_control(std::string path, unique_fd listener, unique_fd end, answer_function answer,
                             hand_over_function hand_over)
    : path_(std::move(path)),
      listener_(std::move(listener)),
      end_(std::move(end)),
      answer_(std::move(answer)),
      hand_over_(std::move(hand_over)) {
  thread_ = std::thread([this] { serve(); });
}

proxy_control::~proxy_control() {
  const std::uint64_t one = 1;
  [[maybe_unused]] auto n = ::write(end_.get(), &one, sizeof one);
  thread_.join();
  sweep(true);
  if (owns_path_) ::unlink(path_.c_str());
}

result<> proxy_control::move_to(const std::string& path) {
  if (::rename(path_.c_str(), path.c_str()) != 0) return errno_error("rename " + path_ + " to " + path);
  path_ = path;
  return {};
}

void proxy_control::serve() {
  for (;;) {
    pollfd p[2] = {{listener_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
    if (::poll(p, 2, -1) < 0 && errno != EINTR) return;
    if (p[1].revents != 0) return;
    unique_fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client || !check_peer(client.get(), owners)) continue;
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
  const auto line = read_text(
      client.get(), {.bytes = longest_proxy_request, .until = osvm::deadline::after(5s), .stop = end_.get()});
  if (!line) return;
  json::object out;
  try {
    const auto request = parsed(*line);
    if (const auto* verb = request.if_contains("verb"); verb && *verb == "hand-over") {
      return hand_over_(client.get(), end_.get());
    }
    auto answer = answer_(request);
    out = answer ? std::move(*answer) : json::object{{"error", answer.error().to_string()}};
  } catch (const std::exception& e) {  // a member of the wrong type
    out = {{"error", std::string("a malformed request: ") + e.what()}};
  }
  send_text(client.get(), json::serialize(out) + "\n");
}

result<json::object> ask_proxy(const std::string& path, const json::object& request,
                               std::chrono::milliseconds patience) {
  auto fd = connect_control(path);
  if (!fd) return error(fd.error().code, "no proxy answers: " + fd.error().context);
  OSVM_CHECK(check_peer(fd->get(), owners));
  send_text(fd->get(), json::serialize(request) + "\n");
  OSVM_TRY(const auto line,
           read_text(fd->get(), {.bytes = longest_proxy_answer, .until = osvm::deadline::after(patience)}));
  if (!line.ends_with('\n')) return error(errc::closed, "the proxy closed the control connection");
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
