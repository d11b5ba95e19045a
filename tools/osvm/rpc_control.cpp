#include "rpc_control.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "control_socket.hpp"
#include "private_dir.hpp"

namespace osvm::cli {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

constexpr std::size_t longest_request = 64, longest_answer = 1 << 20;
constexpr const char* socket_name = "/control";

// What is said there is shown, and done: it must be a process of the same user.
constexpr auto owner = peer_rule::same_user;

}  // namespace

rpc_control::rpc_control(unique_fd listener, unique_fd end, rpc_control_handlers handlers)
    : listener_(std::move(listener)), end_(std::move(end)), handlers_(std::move(handlers)) {
  thread_ = std::thread([this] { serve(); });
}

rpc_control::~rpc_control() {
  const std::uint64_t one = 1;
  (void)!::write(end_.get(), &one, sizeof one);
  thread_.join();
  if (reset_.joinable()) reset_.join();
}

result<std::unique_ptr<rpc_control>> rpc_control::listen(const std::string& folder,
                                                         rpc_control_handlers handlers) {
  OSVM_TRY(auto listener, listen_control(folder + socket_name));
  unique_fd end(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!end) return errno_error("eventfd");
  return std::unique_ptr<rpc_control>(
      new rpc_control(std::move(listener), std::move(end), std::move(handlers)));
}

void rpc_control::serve() {
  for (;;) {
    pollfd wanted[] = {{listener_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
    if (::poll(wanted, 2, -1) < 0 && errno != EINTR) return;
    if (wanted[1].revents != 0) return;
    unique_fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (client) answer(std::move(client));
  }
}

void rpc_control::answer(unique_fd client) {
  const auto line = read_text(client.get(), {.bytes = longest_request, .until = osvm::deadline::after(2s)});
  if (!line) return;
  json::object out;
  if (*line == "status\n") {
    out = handlers_.status();
  } else if (*line == "reset\n") {
    return reset(std::move(client));
  } else if (*line == "stop\n") {
    out = handlers_.status();
    send_text(client.get(), json::serialize(out) + "\n");
    handlers_.stop();
    if (parting_.size() < 16) parting_.push_back(std::move(client));
    return;
  } else {
    out["error"] = "status, reset and stop are known";
  }
  send_text(client.get(), json::serialize(out) + "\n");
}

void rpc_control::reset(unique_fd client) {
  if (resetting_.exchange(true)) {
    const json::object busy{{"error", error(errc::busy, "another replacement is under way").to_string()}};
    return send_text(client.get(), json::serialize(busy) + "\n");
  }
  if (reset_.joinable()) reset_.join();  // at its last line
  reset_ = std::thread([this, fd = std::move(client)] {
    auto done = handlers_.reset();
    const auto out = done ? std::move(*done) : json::object{{"error", done.error().to_string()}};
    send_text(fd.get(), json::serialize(out) + "\n");
    resetting_ = false;
  });
}

result<json::object> ask_rpc_node(const std::string& socket, const std::string& verb,
                                  std::chrono::milliseconds patience, bool to_the_end) {
  OSVM_TRY(const auto fd, connect_control(socket));
  OSVM_CHECK(check_peer(fd.get(), owner));
  send_text(fd.get(), verb + "\n");
  OSVM_TRY(const auto text, read_text(fd.get(), {.bytes = longest_answer,
                                                 .until = osvm::deadline::after(patience),
                                                 .to_the_end = to_the_end}));
  boost::system::error_code failed;
  auto answer = json::parse(text, failed);
  if (failed || !answer.is_object()) return error(errc::malformed, "the answer of " + socket);
  if (const auto* e = answer.get_object().if_contains("error"); e != nullptr && e->is_string())
    return error(errc::closed, std::string(e->get_string()));
  return std::move(answer.get_object());
}

result<std::vector<rpc_node_at>> find_rpc_nodes(std::chrono::milliseconds patience) {
  std::vector<rpc_node_at> out;
  OSVM_TRY(const bool any, private_dir::has_base());
  if (!any) return out;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(private_dir::base(), failed), end; !failed && at != end;
       at.increment(failed)) {
    if (!at->path().filename().string().starts_with("rpc-")) continue;
    const auto socket = at->path().string() + socket_name;
    auto status = ask_rpc_node(socket, "status", patience);  // who was killed left a socket that refuses
    if (status)
      out.push_back({.socket = socket, .status = std::move(*status)});
    else if (status.error().code == errc::timed_out)
      out.push_back({.socket = socket, .busy = true});
  }
  return out;
}

}  // namespace osvm::cli
