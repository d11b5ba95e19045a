#include "unikernel/sockets/netlink.hpp"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace osvm::unikernel::netlink {
namespace {

constexpr int loopback_index = 1;
constexpr std::uint32_t loopback_mtu = 65536;
constexpr std::size_t most_messages = 16;

// One datagram under construction.
class writer {
 public:
  explicit writer(const nlmsghdr& asked, std::uint32_t port) : asked_(asked), port_(port) {}

  template <class Body>
  void begin(std::uint16_t type, const Body& body, std::uint16_t flags) {
    start_ = out_.size();
    nlmsghdr h{};
    h.nlmsg_type = type;
    h.nlmsg_flags = flags;
    h.nlmsg_seq = asked_.nlmsg_seq;
    h.nlmsg_pid = port_;
    append(&h, sizeof h);
    append(&body, sizeof body);
  }
  void attribute(std::uint16_t type, const void* data, std::size_t size) {
    rtattr a{};
    a.rta_type = type;
    a.rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
    append(&a, sizeof a);
    append(data, size);
  }
  void end() {
    const auto size = static_cast<std::uint32_t>(out_.size() - start_);
    std::memcpy(out_.data() + start_, &size, sizeof size);
  }
  std::vector<std::byte> take() { return std::move(out_); }

 private:
  void append(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(data);
    out_.insert(out_.end(), bytes, bytes + size);
    out_.resize((out_.size() + 3) & ~std::size_t{3});
  }
  nlmsghdr asked_;
  std::uint32_t port_;
  std::size_t start_ = 0;
  std::vector<std::byte> out_;
};

void write_link(writer& w, std::uint16_t flags) {
  ifinfomsg link{};
  link.ifi_type = ARPHRD_LOOPBACK;
  link.ifi_index = loopback_index;
  link.ifi_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_LOWER_UP;
  link.ifi_change = 0;
  w.begin(RTM_NEWLINK, link, flags);
  static constexpr std::array<std::uint8_t, 6> hardware{};
  w.attribute(IFLA_IFNAME, "lo", 3);
  w.attribute(IFLA_ADDRESS, hardware.data(), hardware.size());
  w.attribute(IFLA_BROADCAST, hardware.data(), hardware.size());
  w.attribute(IFLA_MTU, &loopback_mtu, sizeof loopback_mtu);
  w.end();
}

void write_address(writer& w, int family) {
  static constexpr std::array<std::uint8_t, 4> v4{127, 0, 0, 1};
  static constexpr std::array<std::uint8_t, 16> v6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  ifaddrmsg a{};
  a.ifa_family = static_cast<std::uint8_t>(family);
  a.ifa_prefixlen = family == AF_INET ? 8 : 128;
  a.ifa_flags = IFA_F_PERMANENT;
  a.ifa_scope = RT_SCOPE_HOST;
  a.ifa_index = loopback_index;
  w.begin(RTM_NEWADDR, a, NLM_F_MULTI);
  if (family == AF_INET) {
    w.attribute(IFA_ADDRESS, v4.data(), v4.size());
    w.attribute(IFA_LOCAL, v4.data(), v4.size());
    w.attribute(IFA_LABEL, "lo", 3);
  } else {
    w.attribute(IFA_ADDRESS, v6.data(), v6.size());
  }
  w.end();
}

std::vector<std::byte> done(const nlmsghdr& asked, std::uint32_t port) {
  writer w(asked, port);
  w.begin(NLMSG_DONE, 0, NLM_F_MULTI);
  w.end();
  return w.take();
}

std::vector<std::byte> failure(const nlmsghdr& asked, std::uint32_t port, int error) {
  writer w(asked, port);
  nlmsgerr e{};
  e.error = -error;
  e.msg = asked;
  w.begin(NLMSG_ERROR, e, 0);
  w.end();
  return w.take();
}

void answer_one(const nlmsghdr& asked, std::span<const std::byte> body, std::uint32_t port,
                std::vector<std::vector<std::byte>>& out) {
  const bool dump = (asked.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  const int family = body.empty() ? AF_UNSPEC : std::to_integer<int>(body[0]);
  writer w(asked, port);
  if (asked.nlmsg_type == RTM_GETLINK) {
    write_link(w, dump ? NLM_F_MULTI : 0);
    out.push_back(w.take());
    if (dump) out.push_back(done(asked, port));
  } else if (asked.nlmsg_type == RTM_GETADDR && dump) {
    if (family == AF_UNSPEC || family == AF_INET) write_address(w, AF_INET);
    if (family == AF_UNSPEC || family == AF_INET6) write_address(w, AF_INET6);
    if (auto addresses = w.take(); !addresses.empty()) out.push_back(std::move(addresses));
    out.push_back(done(asked, port));
  } else if (dump) {
    out.push_back(done(asked, port));  // routes, neighbours, rules: none
  } else {
    out.push_back(failure(asked, port, EOPNOTSUPP));
  }
}

}  // namespace

std::vector<std::vector<std::byte>> answer(std::span<const std::byte> request, std::uint32_t port) {
  std::vector<std::vector<std::byte>> out;
  for (std::size_t n = 0; n < most_messages && request.size() >= sizeof(nlmsghdr); ++n) {
    nlmsghdr h{};
    std::memcpy(&h, request.data(), sizeof h);
    if (h.nlmsg_len < sizeof h || h.nlmsg_len > request.size()) break;
    const auto body = request.subspan(sizeof h, h.nlmsg_len - sizeof h);
    if ((h.nlmsg_flags & NLM_F_REQUEST) != 0) answer_one(h, body, port, out);
    const std::size_t step = (std::size_t{h.nlmsg_len} + 3) & ~std::size_t{3};
    request = request.subspan(std::min(step, request.size()));
  }
  return out;
}

}  // namespace osvm::unikernel::netlink
