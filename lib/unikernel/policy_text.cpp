// Grants as people write them.
#include <osvm/core/clock.hpp>
#include <osvm/unikernel/policy.hpp>

#include <charconv>
#include <optional>

namespace osvm::unikernel {
namespace {

constexpr std::string_view connect_advice =
    "expected HOST:PORT, HOST:PORT=NAME, unix:/path=/guest/path or unix:/path=NAME:PORT, for example "
    "db.example:5432=db";

error bad(std::string_view text, std::string_view advice) {
  return {make_error_code(osvm::errc::invalid_argument),
          "'" + std::string(text) + "': " + std::string(advice)};
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (failed != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

// "NAME:PORT" or "[ADDRESS]:PORT".
bool split_host(std::string_view text, std::string& host, std::uint16_t& port) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const auto number = port_of(text.substr(colon + 1));
  std::string_view name = text.substr(0, colon);
  if (name.starts_with('[') && name.ends_with(']')) {
    name = name.substr(1, name.size() - 2);
  } else if (name.find(':') != std::string_view::npos) {
    return false;
  }
  if (!number || name.empty()) return false;
  host = name;
  port = *number;
  return true;
}

}  // namespace

result<connect_grant> parse_connect_grant(std::string_view text) {
  const auto equals = text.rfind('=');
  const std::string_view from = text.substr(0, equals);
  const std::string_view to = equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
  if (equals != std::string_view::npos && to.empty()) return bad(text, connect_advice);
  connect_grant out;
  if (from.starts_with("unix:/")) {
    out.host = from;
    if (to.empty() || to.starts_with('/')) {
      out.guest_name = to;
      return out;
    }
    if (!split_host(to, out.guest_name, out.port)) return bad(text, connect_advice);
    return out;
  }
  if (!split_host(from, out.host, out.port)) return bad(text, connect_advice);
  out.guest_name = to;
  if (to.find_first_of(":/ ") != std::string_view::npos) return bad(text, connect_advice);
  return out;
}

std::string to_string(const connect_grant& grant) {
  const std::string port = ":" + std::to_string(grant.port);
  if (grant.host.starts_with("unix:")) {
    if (grant.guest_name.empty()) return grant.host;
    return grant.host + "=" + grant.guest_name + (grant.port != 0 ? port : "");
  }
  const bool v6 = grant.host.find(':') != std::string::npos;
  const std::string target = (v6 ? "[" + grant.host + "]" : grant.host) + port;
  return grant.guest_name.empty() ? target : target + "=" + grant.guest_name;
}

result<unix_listener> parse_unix_listener(std::string_view text) {
  const auto split = text.rfind("=guest:/");
  if (split == std::string_view::npos || split == 0)
    return bad(text, "expected HOST-PATH=guest:/GUEST-PATH, for example ./app.sock=guest:/run/app.sock");
  return unix_listener{.host_path = std::string(text.substr(0, split)),
                       .guest_path = std::string(text.substr(split + 7))};
}

result<tmpfs> parse_tmpfs(std::string_view text) {
  const std::size_t colon = std::min(text.rfind(':'), text.size());
  tmpfs out{.guest_path = std::string(text.substr(0, colon))};
  if (!out.guest_path.starts_with('/'))
    return bad(text, "expected /GUEST-PATH or /GUEST-PATH:SIZE, for example /tmp:64MiB");
  if (colon == text.size()) return out;
  const auto size = parse_size(text.substr(colon + 1));
  if (!size || *size == 0) return bad(text, "expected a size behind the colon, for example /tmp:64MiB");
  out.bytes = *size;
  return out;
}

std::string to_string(const tmpfs& folder) {
  return folder.guest_path + ":" + format_size(folder.bytes);
}

}  // namespace osvm::unikernel
