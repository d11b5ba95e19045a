// The handle's side of an instance that may outlive its owner: before that, and as its next owner.
#include "unikernel/engine/socket_names.hpp"
#include "unikernel/worker/front.hpp"
#include "unikernel/worker/keeper.hpp"
#include "unikernel/worker/lobby.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace osvm::unikernel {
namespace {

using namespace std::chrono_literals;

constexpr auto adoption_patience = 10s;
constexpr std::size_t max_granted = 4096;

error unfit(std::string what) {
  return {osvm::errc::invalid_argument, std::move(what)};
}

result<std::string> make_nonce() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return errno_error("getrandom");
  std::string text;
  for (const unsigned char b : bytes) text += fmt::format("{:02x}", b);
  return text;
}

result<void> check_private(const std::string& folder) {
  struct stat st {};
  if (folder.empty()) return unfit("an instance that may be adopted needs a socket_dir");
  if (::stat(folder.c_str(), &st) != 0) return errno_error(folder);
  if (S_ISDIR(st.st_mode) && st.st_uid == ::geteuid() && (st.st_mode & 077) == 0) return {};
  return unfit("the socket_dir of an instance that may be adopted is the caller's own, mode 0700: " + folder);
}

// "<folder>/<name>-<id>.adopt": what the caller trusts tells where the instance's other sockets are.
struct socket_parts {
  std::string folder, name;
  std::uint32_t id = 0;
};

std::string socket_path(const socket_parts& p) {
  return fmt::format("{}/{}-{:08x}{}", p.folder, p.name, p.id, adoption_suffix);
}

result<socket_parts> parts_of(const std::string& path) {
  socket_parts p;
  const std::size_t slash = path.rfind('/');
  const std::string_view file = std::string_view(path).substr(slash == std::string::npos ? 0 : slash + 1);
  const std::size_t digits = 8 + adoption_suffix.size();
  if (slash != std::string::npos && file.size() > digits + 1) {
    p.folder = path.substr(0, slash);
    p.name = file.substr(0, file.size() - digits - 1);
    const char* const id = file.data() + file.size() - digits;
    (void)std::from_chars(id, id + 8, p.id, 16);
  }
  if (p.name.empty() || socket_path(p) != path) return unfit("not the socket of an instance: " + path);
  return p;
}

// What nobody serves and what is not there are the same to who looks for an instance.
error cannot_connect(const std::string& path) {
  if (errno == ENOENT || errno == ECONNREFUSED)
    return {osvm::errc::not_found, "no instance waits at " + path};
  if (errno == EAGAIN) return {osvm::errc::busy, "others want the instance at " + path};
  return errno_error("adopting the instance at " + path);
}

void wait_for_answers(int socket, std::chrono::seconds at_most) {
  const timeval limit{.tv_sec = at_most.count(), .tv_usec = 0};
  (void)::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);  // fails for no socket only
}

instance_options options_for(const std::string& path) {
  instance_options o;
  if (const auto parts = parts_of(path)) {
    o.socket_dir = parts->folder;
    o.name = parts->name;
  }
  return o;
}

}  // namespace

result<void> worker_engine::prepare_ticket(const instance_options& options) {
  const worker_options& worker = *options.worker;
  if (worker.orphan_after < worker.orphan_after.zero()) return unfit("orphan_after is negative");
  if (worker.orphan_after == worker.orphan_after.zero()) return {};
  OSVM_CHECK(check_private(socket_dir_));
  for (const memory_tree& t : options.policy.trees) {
    if (t.source)
      return unfit("the files of an image are served by the instance's creator: it cannot be adopted");
  }
  OSVM_TRY(ticket_.nonce, make_nonce());
  ticket_.socket = socket_path({socket_dir_, name_, id_});
  return start_keeper(worker.program);
}

result<void> worker_engine::start_keeper(const std::string& program) {
  OSVM_TRY(keeper_,
           worker_process::start(program, process_.handle(), keeper_arguments(sockets(), group_.folders())));
  return {};
}

std::vector<std::string> worker_engine::sockets() const {
  std::vector<std::string> all{ticket_.socket};
  for (const listener& l : granted_listeners_) {
    const endpoint at = listening_endpoint(l, socket_dir_, name_, id_);
    if (const auto* socket = std::get_if<unix_endpoint>(&at)) all.push_back(socket->path);
    if (const auto* hybrid = std::get_if<hybrid_endpoint>(&at)) all.push_back(hybrid->path);
  }
  return all;
}

result<adoption_ticket> worker_engine::ticket() const {
  if (ticket_.nonce.empty()) return engine::ticket();
  return ticket_;
}

result<std::shared_ptr<engine>> worker_engine::adopt(executor ex, const adoption_ticket& ticket,
                                                     const adopt_options& options) {
  auto e = std::make_shared<worker_engine>(std::move(ex), options_for(ticket.socket));
  OSVM_CHECK(e->take_over(ticket, options));
  return std::shared_ptr<engine>(std::move(e));
}

result<wire::adopted_instance> worker_engine::introduce(const adoption_ticket& ticket) {
  wire::adoption_request request{.nonce = ticket.nonce};
  wire::writer body;
  body(request);
  OSVM_CHECK(link_.send(wire::kind::adopt, 1, body));
  wait_for_answers(link_.fd(), adoption_patience);
  auto m = link_.receive();
  if (!m) {
    if (m.error().code.value() != EAGAIN) return m.error();
    return error(osvm::errc::timed_out, "the worker process does not answer");
  }
  wait_for_answers(link_.fd(), 0s);
  std::pair<std::optional<wire::failure>, std::optional<wire::adopted_instance>> answer;
  OSVM_CHECK(wire::decode(*m, answer));
  if (answer.first) return wire::to_error(std::move(*answer.first));
  if (!answer.second || answer.second->granted.size() > max_granted || answer.second->event_capacity > 65536)
    return error(osvm::errc::malformed, "answer of the worker process");
  return std::move(*answer.second);
}

result<void> worker_engine::take_over(const adoption_ticket& ticket, const adopt_options& options) {
  OSVM_TRY(const auto parts, parts_of(ticket.socket));
  OSVM_CHECK(check_socket_path(ticket.socket));
  if (options.events.capacity == 0 || options.events.capacity > 65536)
    return unfit("event capacity must be 1..65536");
  id_ = parts.id;
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::memcpy(at.sun_path, ticket.socket.c_str(), ticket.socket.size());
  unique_fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return errno_error("socket for adoption");
  wait_for_answers(socket.get(), adoption_patience);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
    return cannot_connect(ticket.socket);
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
    return errno_error("the worker process");
  link_.open(std::move(socket), adoption_patience);
  OSVM_TRY(auto self, introduce(ticket));
  // It has answered: the number is still its own.
  OSVM_TRY(process_, worker_process::of(who.pid));
  group_ = worker_cgroup::of(who.pid);
  limits_ = group_.description();
  ticket_ = ticket;
  granted_listeners_ = std::move(self.granted);
  listeners_.grant(granted_listeners_);
  instance_options events;
  events.events = options.events;
  events.events.denials = self.denials;
  events.events.trace = self.trace;
  if (self.log) events.output = stdio::log();
  open_events(events);
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) return errno_error("eventfd for the worker process");
  receiver_ = std::thread([this] { receive(); });
  return {};
}

}  // namespace osvm::unikernel
