#include "unikernel/worker/lobby.hpp"

#include <osvm/core/text.hpp>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace osvm::unikernel {
namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

constexpr std::size_t max_candidates = 8;
constexpr auto candidate_patience = 2s;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::memcpy(at.sun_path, path.c_str(), std::min(path.size(), sizeof at.sun_path - 1));
  return at;
}

bool nobody_serves(const std::string& path) {
  const unique_fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un at = address_of(path);
  return fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 &&
         errno == ECONNREFUSED;
}

// A name of this kind always had a listener: it is given to a socket that listens already.
void remove_stale(const std::filesystem::path& folder) {
  std::error_code ec;
  for (std::filesystem::directory_iterator at(folder, ec), end; !ec && at != end; at.increment(ec)) {
    const std::string path = at->path().string();
    struct stat st {};
    if (path.ends_with(adoption_suffix) && ::lstat(path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode) &&
        nobody_serves(path)) {
      (void)::unlink(path.c_str());
    }
  }
}

bool same(std::string_view a, std::string_view b) noexcept {
  unsigned different = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    different |= static_cast<unsigned>(a[i]) ^ static_cast<unsigned>(b[i]);
  return different == 0;
}

void refuse(wire::link& link, std::uint32_t question, const error& why) {
  wire::writer body = wire::answer_body<wire::adopted_instance>(why);
  (void)link.send(wire::kind::answer, question, body);  // who does not wait for it does not hear it
}

}  // namespace

result<void> check_socket_path(const std::string& path) {
  if (path.size() < sizeof(sockaddr_un::sun_path)) return {};
  return error(osvm::errc::invalid_argument, "the path of the instance's socket is too long: " + path);
}

lobby::~lobby() {
  if (listening_) (void)::unlink(ticket_.socket.c_str());
}

result<void> lobby::open(const adoption_ticket& ticket) {
  const std::string first = ticket.socket + "-new";
  OSVM_CHECK(check_socket_path(first));
  remove_stale(std::filesystem::path(ticket.socket).parent_path());
  unique_fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("socket for adoption");
  const sockaddr_un at = address_of(first);
  // The file gets the mode that the socket has when it is bound.
  if (::fchmod(fd.get(), 0600) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
    return errno_error("socket for adoption " + first);
  }
  if (::listen(fd.get(), max_candidates) != 0 || ::rename(first.c_str(), ticket.socket.c_str()) != 0) {
    const int why = errno;
    (void)::unlink(first.c_str());
    return errno_error("socket for adoption " + ticket.socket, why);
  }
  ticket_ = ticket;
  listening_ = std::move(fd);
  return {};
}

void lobby::add_to(std::vector<pollfd>& all) const {
  if (!listening_) return;
  if (candidates_.size() < max_candidates)
    all.push_back({.fd = listening_.get(), .events = POLLIN, .revents = 0});
  for (const candidate& c : candidates_)
    all.push_back({.fd = c.socket.get(), .events = POLLIN, .revents = 0});
}

std::optional<lobby::time_point> lobby::next_deadline() const {
  std::optional<time_point> first;
  for (const candidate& c : candidates_) first = first ? std::min(*first, c.until) : c.until;
  return first;
}

void lobby::accept_all() {
  while (candidates_.size() < max_candidates) {
    unique_fd fd(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) return;
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.uid != ::geteuid()) continue;
    candidates_.push_back({std::move(fd), clock_type::now() + candidate_patience});
  }
}

std::optional<lobby::visitor> lobby::judge(candidate& c, bool owned) {
  wire::link link;
  link.open(std::move(c.socket), 1s);
  const auto m = link.receive();  // does not wait: poll() has said so
  wire::adoption_request asked;
  if (!m || m->kind() != wire::kind::adopt || !wire::decode(*m, asked)) return std::nullopt;
  if (owned) {
    refuse(link, m->head.id, {osvm::errc::busy, "the instance has an owner"});
  } else if (!same(asked.nonce, ticket_.nonce)) {
    refuse(link, m->head.id, {osvm::errc::denied, "wrong nonce for this instance"});
  } else {
    return visitor{link.take(), m->head.id};
  }
  return std::nullopt;
}

std::optional<lobby::visitor> lobby::admit(bool owned) {
  if (!listening_) return std::nullopt;
  accept_all();
  std::vector<candidate> waiting;
  std::optional<visitor> next;
  for (candidate& c : candidates_) {
    pollfd p{.fd = c.socket.get(), .events = POLLIN, .revents = 0};
    if (::poll(&p, 1, 0) > 0) {
      if (auto found = judge(c, owned || next.has_value())) next = std::move(found);
    } else if (clock_type::now() < c.until) {
      waiting.push_back(std::move(c));
    }
  }
  candidates_ = std::move(waiting);
  return next;
}

}  // namespace osvm::unikernel
