#include "unikernel/sockets/resolver.hpp"

#include "unikernel/files/attributes.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/sockets/dns.hpp"
#include "unikernel/sockets/netlink.hpp"
#include "unikernel/sockets/network.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace osvm::unikernel {
namespace {

dns::answer look_up(call_context& ctx, const dns::question& asked) {
  dns::answer out;
  std::vector<guest_address> addresses;
  out.known = ctx.instance.network.outgoing.look_up(asked.name, addresses);
  if (!out.known)
    (void)ctx.instance.deny("resolve " + asked.name, "--connect " + asked.name + ":PORT", EPERM);
  for (const guest_address& a : addresses) {
    if (asked.type == dns::type_a && a.family == AF_INET)
      out.addresses.emplace_back(a.ip.begin(), a.ip.begin() + 4);
    if (asked.type == dns::type_aaaa && a.family == AF_INET6)
      out.addresses.emplace_back(a.ip.begin(), a.ip.end());
  }
  return out;
}

}  // namespace

void resolve_query(call_context& ctx, socket_state& asking, std::span<const std::byte> query) {
  dns::question asked;
  if (!dns::parse(query, asked)) return;
  const auto response = dns::respond(query, asked, look_up(ctx, asked));
  int host = -1;
  if (!asking.bound || !ctx.instance.network.resolver(host)) return;
  const place_address to(*asking.bound);
  // A full queue loses the answer, as a network would.
  (void)::sendto(host, response.data(), response.size(), MSG_DONTWAIT | MSG_NOSIGNAL, to.get(), to.size);
}

std::int64_t answer_netlink(call_context& ctx, socket_state& asking, std::span<const std::byte> request) {
  (void)ctx;
  for (const auto& datagram : netlink::answer(request, asking.local.cid)) {
    if (::send(asking.answers.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
      return errno == EAGAIN ? -ENOBUFS : -errno;
  }
  return static_cast<std::int64_t>(request.size());
}

std::int64_t resolve_unix_name(call_context& ctx, guest_address& name, std::shared_ptr<bound_socket>& out,
                               bool& known) {
  known = false;
  auto& names = ctx.instance.network.names;
  if (name.name.starts_with('\0')) {
    out = names.find(0, name);
    return 0;
  }
  std::string base;
  if (const std::int64_t r = base_of(ctx, AT_FDCWD, name.name, base); r < 0) return r;
  location at;
  if (const std::int64_t r = ctx.instance.files->find(ctx, base, name.name, true, at); r < 0) return r;
  name.name = at.path;
  if (at.where == place::mounted) {
    known = true;
    if (S_ISSOCK(at.status.st_mode)) out = names.find_inode(at.status.st_dev, at.status.st_ino);
    return 0;
  }
  out = names.find(0, name, &known);
  return 0;
}

}  // namespace osvm::unikernel
