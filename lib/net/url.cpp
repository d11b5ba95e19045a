#include <osvm/net/url.hpp>

#include <algorithm>
#include <charconv>

namespace osvm::net {
namespace {

constexpr std::size_t longest = 4096;

error bad(const char* why) {
  return {errc::bad_url, why};
}

bool target_char(char c) {
  return c > ' ' && c < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\' && c != '^' && c != '`' &&
         c != '{' && c != '|' && c != '}' && c != '#';
}

bool host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

bool literal_v6_char(char c) {
  return (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9') || c == ':' || c == '.';
}

bool take_scheme(std::string_view& text, url& out) {
  struct known {
    std::string_view prefix;
    bool tls, websocket;
  };
  for (const auto& k : {known{"http://", false, false}, known{"https://", true, false},
                        known{"ws://", false, true}, known{"wss://", true, true}}) {
    if (!text.starts_with(k.prefix)) continue;
    out.tls = k.tls;
    out.websocket = k.websocket;
    out.port = k.tls ? 443 : 80;
    text.remove_prefix(k.prefix.size());
    return true;
  }
  return false;
}

result<> read_port(std::string_view digits, url& out) {
  const auto [end, e] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
  if (digits.empty() || e != std::errc{} || end != digits.data() + digits.size() || out.port == 0)
    return bad("the port is a number from 1 to 65535");
  return {};
}

result<> read_authority(std::string_view authority, url& out) {
  if (authority.find('@') != std::string_view::npos) return bad("user names are not taken");
  auto rest = authority;
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    if (close == std::string_view::npos) return bad("a literal IPv6 address ends with ]");
    out.host = authority.substr(1, close - 1);
    rest = authority.substr(close + 1);
  } else {
    out.host = authority.substr(0, authority.find(':'));
    rest = authority.substr(out.host.size());
  }
  std::ranges::transform(out.host, out.host.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const bool v6 = authority.starts_with('[');
  if (out.host.empty() || out.host.size() > 253 ||
      !std::ranges::all_of(out.host, v6 ? literal_v6_char : host_char))
    return bad("the host is not a name or address");
  if (rest.empty()) return {};
  if (!rest.starts_with(':')) return bad("behind the host stands :PORT or the path");
  return read_port(rest.substr(1), out);
}

}  // namespace

std::string url::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  auto out = v6 ? "[" + host + "]" : host;
  if (unix_path.empty() && port != (tls ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

std::string url::origin() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  const std::string scheme = websocket ? (tls ? "wss://" : "ws://") : (tls ? "https://" : "http://");
  return scheme + authority();
}

result<url> parse_url(std::string_view text) {
  if (text.size() > longest) return bad("the address is too long");
  url out;
  if (text.starts_with("unix:")) {
    text.remove_prefix(5);
    if (text.empty() || text.find('\0') != std::string_view::npos) return bad("unix: needs a path");
    out.unix_path = text;
    out.host = "localhost";
    return out;
  }
  if (!take_scheme(text, out)) return bad("no known scheme");
  const auto slash = text.find_first_of("/?");
  OSVM_CHECK(read_authority(text.substr(0, slash), out));
  if (slash == std::string_view::npos) return out;
  const auto target = text.substr(slash);
  if (!std::ranges::all_of(target, target_char)) return bad("the path holds a character that is not allowed");
  out.target = target.starts_with('?') ? "/" + std::string(target) : std::string(target);
  return out;
}

}  // namespace osvm::net
