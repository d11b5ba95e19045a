#include "hotswap/proxy/routing.hpp"

#include "hotswap/http1/chars.hpp"

#include <algorithm>

namespace osvm::hotswap::detail {
namespace {

// `pattern` is in lower case.
bool host_matches(std::string_view host, std::string_view pattern) noexcept {
  if (pattern == "*") return true;
  if (pattern.starts_with("*.")) {
    const auto suffix = pattern.substr(1);
    return host.size() > suffix.size() && http1::iequals(host.substr(host.size() - suffix.size()), suffix);
  }
  return http1::iequals(host, pattern);
}

std::string_view without_port(std::string_view host) noexcept {
  if (host.starts_with('[')) return host.substr(0, std::min(host.find(']') + 1, host.size()));
  host = host.substr(0, host.find(':'));
  if (host.ends_with('.')) host.remove_suffix(1);  // the root, said aloud
  return host;
}

std::string_view path_only(std::string_view target) noexcept {
  return target.substr(0, target.find('?'));
}

}  // namespace

std::string host_name(std::string_view host) {
  std::string out(without_port(host));
  for (auto& c : out) c = http1::lower(c);
  return out;
}

bool path_has_prefix(std::string_view path, std::string_view prefix) noexcept {
  path = path_only(path);
  if (prefix.ends_with('/')) {
    return path.starts_with(prefix) || path == prefix.substr(0, prefix.size() - 1);
  }
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

bool rpc_lane::has(std::string_view method) const noexcept {
  for (const auto& m : options.methods) {
    if (m.ends_with('*') ? method.starts_with(std::string_view(m).substr(0, m.size() - 1)) : method == m) {
      return true;
    }
  }
  return false;
}

bool rule::matches(const http1::request_head& r) const noexcept {
  if (!options.hosts.empty()) {
    const auto host = without_port(r.authority.empty() ? r.host : r.authority);
    const bool any = std::any_of(options.hosts.begin(), options.hosts.end(),
                                 [&](const std::string& h) { return host_matches(host, h); });
    if (!any) return false;
  }
  if (options.prefix != "/" && !path_has_prefix(r.path, options.prefix)) return false;
  if (options.header.empty()) return true;
  for (const auto& f : r.all()) {
    if (!http1::iequals(f.name, options.header)) continue;
    if (options.value.empty() || f.value == options.value) return true;
  }
  return false;
}

// The first class that names a method has it; all must agree on where to go.
rpc_choice rule::choose(const std::vector<std::string_view>& methods) const {
  rpc_choice c;
  c.retry = true;
  bool agreed = true, first = true;
  for (const auto method : methods) {
    const auto lane =
        std::find_if(lanes.begin(), lanes.end(), [&](const rpc_lane& l) { return l.has(method); });
    const auto& where = lane == lanes.end() ? to : lane->to;
    c.retry = c.retry && lane != lanes.end() && lane->options.retry;
    if (lane != lanes.end() && lane->limits &&
        std::find(c.limits.begin(), c.limits.end(), lane->limits) == c.limits.end()) {
      c.limits.push_back(lane->limits);
    }
    agreed = agreed && (first || c.to == where);
    c.to = where;
    first = false;
  }
  if (!agreed) c.to = to;
  return c;
}

const rule* routing::find(const http1::request_head& r) const noexcept {
  for (const auto& one : rules) {
    if (one.matches(r)) return &one;
  }
  return nullptr;
}

}  // namespace osvm::hotswap::detail
