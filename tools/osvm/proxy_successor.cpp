#include "proxy_successor.hpp"

#include "control_socket.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace osvm::cli {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr std::size_t longest_offer = 16 * 1024;
constexpr auto patience = 120s;  // a successor's services may take their time
constexpr std::string_view accepted = "done\n";

union descriptor_room {
  cmsghdr head;
  char bytes[CMSG_SPACE(sizeof(int) * most_inherited)];
};

bool send_offer(int to, const std::string& line, const std::vector<hotswap::inherited_listener>& all) {
  descriptor_room room{};
  iovec text{const_cast<char*>(line.data()), line.size()};
  msghdr m{};
  m.msg_iov = &text;
  m.msg_iovlen = 1;
  m.msg_control = room.bytes;
  m.msg_controllen = CMSG_SPACE(sizeof(int) * all.size());
  auto* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int) * all.size());
  std::vector<int> numbers;
  for (const auto& l : all) numbers.push_back(l.socket.get());
  std::memcpy(CMSG_DATA(c), numbers.data(), sizeof(int) * numbers.size());
  // A fresh socket's buffer takes so little whole.
  return ::sendmsg(to, &m, MSG_NOSIGNAL) == static_cast<ssize_t>(line.size());
}

struct offer {
  std::string text;
  std::vector<unique_fd> descriptors;
};

result<offer> receive_offer(int from) {
  const auto until = osvm::deadline::after(patience);
  offer o;
  while (o.text.find('\n') == std::string::npos) {
    pollfd p{from, POLLIN, 0};
    const int ready = ::poll(&p, 1, until.poll_timeout());
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return error(errc::timed_out, "the running proxy does not answer");
    descriptor_room room{};
    std::array<char, 4096> part;
    iovec text{part.data(), part.size()};
    msghdr m{};
    m.msg_iov = &text;
    m.msg_iovlen = 1;
    m.msg_control = room.bytes;
    m.msg_controllen = sizeof room.bytes;
    const auto n = ::recvmsg(from, &m, MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return errno_error("recvmsg");
    for (auto* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      std::array<int, most_inherited> numbers{};
      std::memcpy(numbers.data(), CMSG_DATA(c), sizeof(int) * std::min(count, numbers.size()));
      for (std::size_t i = 0; i < std::min(count, numbers.size()); ++i)
        o.descriptors.emplace_back(numbers[i]);
    }
    if (n == 0) return error(errc::closed, "the running proxy closed the control connection");
    o.text.append(part.data(), static_cast<std::size_t>(n));
    if (o.text.size() > longest_offer) return error(errc::limit_exceeded, "too long an offer");
  }
  return o;
}

result<std::vector<hotswap::inherited_listener>> listeners_of(offer o) {
  boost::system::error_code ec;
  const auto v = json::parse(o.text, ec);
  if (ec || !v.is_object()) return error(errc::malformed, "the running proxy's offer");
  if (const auto* wrong = v.as_object().if_contains("error"); wrong && wrong->is_string())
    return error(errc::busy, "the running proxy hands nothing over: " + std::string(wrong->as_string()));
  const auto* names = v.as_object().if_contains("listeners");
  if (!names || !names->is_array() || names->as_array().size() != o.descriptors.size())
    return error(errc::malformed, "the running proxy's offer");
  std::vector<hotswap::inherited_listener> out;
  for (std::size_t i = 0; i < o.descriptors.size(); ++i) {
    const auto& name = names->as_array()[i];
    if (!name.is_string()) return error(errc::malformed, "the running proxy's offer");
    OSVM_TRY(auto where, parse_endpoint(name.as_string()));
    out.push_back({std::move(where), std::move(o.descriptors[i])});
  }
  return out;
}

}  // namespace

result<take_over> take_over::begin(const std::string& control) {
  take_over t;
  auto talk = connect_control(control);
  if (!talk) return error(talk.error().code, "no proxy to take over from: " + talk.error().context);
  t.talk_ = std::move(*talk);
  OSVM_CHECK(check_peer(t.talk_.get(), peer_rule::same_user));
  send_text(t.talk_.get(), json::serialize(json::object{{"verb", "hand-over"}}) + "\n");
  OSVM_TRY(auto o, receive_offer(t.talk_.get()));
  OSVM_TRY(t.listeners_, listeners_of(std::move(o)));
  return t;
}

result<> take_over::done() {
  if (::send(talk_.get(), accepted.data(), accepted.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(accepted.size())) {
    return error(errc::closed, "the proxy before has gone");
  }
  // It answers when its control socket's place is free.
  OSVM_TRY(const auto line, read_text(talk_.get(), {.bytes = 64, .until = osvm::deadline::after(patience)}));
  if (line != accepted) return error(errc::closed, "the proxy before has gone");
  return {};
}

bool hand_over_to(int client, int stop, hotswap::gateway& from) {
  auto all = from.hand_over();
  if (all && all->size() > most_inherited) {
    (void)from.take_back();
    all = error(errc::limit_exceeded, "more than 64 listeners");
  }
  if (!all) {
    send_text(client, json::serialize(json::object{{"error", all.error().to_string()}}) + "\n");
    return false;
  }
  json::array names;
  for (const auto& l : *all) names.emplace_back(to_string(l.where));
  const auto line = json::serialize(json::object{{"listeners", std::move(names)}}) + "\n";
  if (send_offer(client, line, *all)) {
    const auto said =
        read_text(client, {.bytes = 64, .until = osvm::deadline::after(patience), .stop = stop});
    if (said && *said == accepted) return true;
  }
  (void)from.take_back();
  return false;
}

}  // namespace osvm::cli
