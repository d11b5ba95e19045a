#include <osvm/vsock/handshake.hpp>

#include <algorithm>
#include <limits>

namespace osvm::vsock {
namespace {

constexpr std::size_t max_digits = 10;  // of 2^32 - 1

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

// <keyword> <decimal port> '\n'. Judges every prefix, so that a wrong client is dropped at its first wrong
// byte.
result<std::optional<handshake_line>> parse_line(std::string_view bytes, std::string_view keyword) {
  bytes = bytes.substr(0, max_handshake_line);
  const auto wrong = [&](const char* what) {
    return error(errc::malformed, "vsock handshake: " + std::string(what));
  };
  const auto known = std::min(bytes.size(), keyword.size());
  if (bytes.substr(0, known) != keyword.substr(0, known)) return wrong("unknown keyword");
  const auto rest = bytes.substr(known);
  const auto digits = std::find_if_not(rest.begin(), rest.end(), is_digit) - rest.begin();
  const auto count = static_cast<std::size_t>(digits);
  if (count > max_digits) return wrong("port number too long");
  if (count > 1 && rest[0] == '0') return wrong("port number with a leading zero");
  std::uint64_t port = 0;
  for (const char c : rest.substr(0, count)) port = port * 10 + static_cast<unsigned>(c - '0');
  if (port >= std::numeric_limits<std::uint32_t>::max()) return wrong("port number out of range");
  if (count == rest.size()) return std::optional<handshake_line>();
  if (rest[count] != '\n' || count == 0) return wrong("expected a port number and a newline");
  return std::optional(
      handshake_line{.port = static_cast<std::uint32_t>(port), .size = keyword.size() + count + 1});
}

}  // namespace

result<std::optional<handshake_line>> parse_connect(std::string_view bytes) {
  return parse_line(bytes, "CONNECT ");
}

result<std::optional<handshake_line>> parse_ok(std::string_view bytes) {
  return parse_line(bytes, "OK ");
}

std::string format_connect(std::uint32_t port) {
  return "CONNECT " + std::to_string(port) + "\n";
}

std::string format_ok(std::uint32_t host_port) {
  return "OK " + std::to_string(host_port) + "\n";
}

}  // namespace osvm::vsock
