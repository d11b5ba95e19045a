#include "unikernel/sockets/outgoing.hpp"

#include <osvm/unikernel/error.hpp>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <memory>
#include <set>

namespace osvm::unikernel {
namespace {

constexpr unsigned most_invented = 254;  // 198.18.0.1 and on: addresses set apart for tests (RFC 2544)
constexpr std::size_t most_addresses = 16;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (out.ends_with('.')) out.pop_back();
  return out;
}

bool literal(const std::string& text, guest_address& out) {
  out = {.family = AF_INET};
  if (::inet_pton(AF_INET, text.c_str(), out.ip.data()) == 1) return true;
  out = {.family = AF_INET6};
  return ::inet_pton(AF_INET6, text.c_str(), out.ip.data()) == 1;
}

std::string ip_text(const guest_address& a) {
  char text[INET6_ADDRSTRLEN] = {};
  return ::inet_ntop(a.family, a.ip.data(), text, sizeof text);
}

bool same_ip(const guest_address& a, const guest_address& b) {
  return a.family == b.family && a.ip == b.ip;
}

error bad(const connect_grant& grant, const std::string& why) {
  return {make_error_code(errc::bad_policy), "connection to " + grant.host + ": " + why};
}

result<std::vector<guest_address>> resolved(const connect_grant& grant) {
  std::vector<guest_address> out;
  if (guest_address one; literal(grant.host, one)) {
    one.port = grant.port;
    out.push_back(one);
    return out;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int e = ::getaddrinfo(grant.host.c_str(), nullptr, &hints, &list); e != 0)
    return bad(grant, ::gai_strerror(e));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, ::freeaddrinfo);
  for (const addrinfo* a = list; a && out.size() < most_addresses; a = a->ai_next) {
    guest_address one;
    const std::span bytes(reinterpret_cast<const std::byte*>(a->ai_addr), a->ai_addrlen);
    if (!is_inet(a->ai_family) || !parse_address(bytes, a->ai_family, one)) continue;
    one.port = grant.port;
    out.push_back(one);
  }
  if (out.empty()) return bad(grant, "the name has no address");
  return out;
}

}  // namespace

guest_address nameserver() {
  return {.family = AF_INET, .ip = {127, 0, 0, 53}, .port = 53};
}

guest_address outgoing_targets::invent() {
  return {.family = AF_INET, .ip = {198, 18, 0, static_cast<std::uint8_t>(++invented_)}};
}

// One name has one address, whatever number of its ports is granted.
guest_address outgoing_targets::invented_for(const std::string& name) {
  for (const target& t : targets_)
    if (t.name == name && !t.visible.empty() && t.visible.front().ip[0] == 198 &&
        t.visible.front().ip[1] == 18)
      return t.visible.front();
  return invent();
}

result<void> outgoing_targets::add_unix(const connect_grant& grant, target& out) {
  constexpr std::string_view prefix = "unix:";
  out.unix_path = grant.host.substr(prefix.size());
  if (!out.unix_path.starts_with('/')) return bad(grant, "the path of a unix socket must be absolute");
  out.guest_path = grant.port == 0 && grant.guest_name.empty() ? out.unix_path : "";
  if (grant.guest_name.starts_with('/')) out.guest_path = grant.guest_name;
  if (!out.guest_path.empty()) {
    if (grant.port != 0) return bad(grant, "a path of the guest has no port");
    return {};
  }
  if (grant.port == 0 || grant.guest_name.empty())
    return bad(grant, "give the guest's name and port, or its path");
  out.name = lower(grant.guest_name);
  out.visible.push_back(invented_for(out.name));
  return {};
}

result<void> outgoing_targets::add_tcp(const connect_grant& grant, target& out) {
  if (grant.port == 0) return bad(grant, "a port is missing");
  OSVM_TRY(out.real, resolved(grant));
  guest_address ignored;
  const bool address = literal(grant.host, ignored);
  if (!address || !grant.guest_name.empty())
    out.name = lower(grant.guest_name.empty() ? grant.host : grant.guest_name);
  const bool local = std::any_of(out.real.begin(), out.real.end(),
                                 [](const auto& a) { return is_loopback(a) || is_any(a); });
  if (local && !out.name.empty() && out.name != "localhost") {
    // One address that does not mean the guest itself; IPv4 first, which most servers of a loopback listen
    // on.
    std::stable_sort(out.real.begin(), out.real.end(),
                     [](const auto& a, const auto& b) { return a.family == AF_INET && b.family != AF_INET; });
    out.visible.push_back(invented_for(out.name));
    return {};
  }
  out.visible = out.real;
  return {};
}

result<void> outgoing_targets::resolve(const std::vector<connect_grant>& grants) {
  for (const connect_grant& grant : grants) {
    target t;
    t.port = grant.port;
    if (invented_ == most_invented) return bad(grant, "too many names");
    OSVM_CHECK(grant.host.starts_with("unix:") ? add_unix(grant, t) : add_tcp(grant, t));
    targets_.push_back(std::move(t));
  }
  return {};
}

bool outgoing_targets::find(const guest_address& to, route& out) const {
  if (to.family == AF_UNIX) {
    const auto it = std::find_if(targets_.begin(), targets_.end(), [&](const target& t) {
      return !t.guest_path.empty() && t.guest_path == to.name;
    });
    if (it == targets_.end()) return false;
    out = {{}, it->unix_path};
    return true;
  }
  const guest_address at = plain(to);
  for (const target& t : targets_) {
    if (t.port != at.port || !t.guest_path.empty()) continue;
    for (std::size_t i = 0; i < t.visible.size(); ++i) {
      if (!same_ip(t.visible[i], at)) continue;
      out = {t.real.empty() ? guest_address{} : t.real[std::min(i, t.real.size() - 1)], t.unix_path};
      return true;
    }
    // Also the address itself, for a program that has it from elsewhere.
    const auto real =
        std::find_if(t.real.begin(), t.real.end(), [&](const auto& a) { return same_ip(a, at); });
    if (real == t.real.end()) continue;
    out = {*real, {}};
    return true;
  }
  return false;
}

bool outgoing_targets::look_up(std::string_view name, std::vector<guest_address>& out) const {
  const std::string wanted = lower(name);
  bool known = wanted == "localhost";
  if (known) out = {loopback(AF_INET, 0), loopback(AF_INET6, 0)};
  for (const target& t : targets_) {
    if (t.name != wanted || t.name.empty()) continue;
    known = true;
    for (const auto& a : t.visible) {
      const bool had = std::any_of(out.begin(), out.end(), [&](const auto& o) { return same_ip(o, a); });
      if (!had) out.push_back(a);
    }
  }
  return known;
}

std::string outgoing_targets::hosts() const {
  std::string text;
  std::set<std::string> seen;
  for (const target& t : targets_) {
    if (t.name.empty() || t.name == "localhost") continue;
    for (const auto& a : t.visible) {
      const std::string line = ip_text(a) + " " + t.name + "\n";
      if (seen.insert(line).second) text += line;
    }
  }
  return text;
}

}  // namespace osvm::unikernel
