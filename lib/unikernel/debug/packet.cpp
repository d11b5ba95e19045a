#include "unikernel/debug/packet.hpp"

#include <charconv>

namespace osvm::unikernel {
namespace {

constexpr char interrupt_byte = 0x03, escape = '}';
constexpr char digits[] = "0123456789abcdef";

int digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

unsigned checksum(std::string_view body) noexcept {
  unsigned sum = 0;
  for (const char c : body) sum += static_cast<unsigned char>(c);
  return sum & 0xff;
}

std::string unescaped(std::string_view body) {
  std::string out;
  out.reserve(body.size());
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] == escape && i + 1 < body.size()) {
      out += static_cast<char>(body[++i] ^ 0x20);
    } else {
      out += body[i];
    }
  }
  return out;
}

}  // namespace

void packet_reader::feed(std::string_view bytes) {
  if (!broken_) input_ += bytes;
}

std::optional<debug_packet> packet_reader::next() {
  while (!input_.empty() && !broken_) {
    if (input_[0] == interrupt_byte) {
      input_.erase(0, 1);
      return debug_packet{debug_packet::kind::interrupt, {}};
    }
    if (input_[0] != '$') {  // acknowledgements, and noise between packets
      const auto begin = input_.find_first_of({'$', interrupt_byte});
      input_.erase(0, begin == std::string::npos ? input_.size() : begin);
      continue;
    }
    const auto end = input_.find('#');
    if (end == std::string::npos || end + 3 > input_.size()) {
      // An escape doubles a byte at most.
      broken_ = input_.size() > 2 * max_debug_packet + 4;
      return std::nullopt;
    }
    const std::string_view raw = std::string_view(input_).substr(1, end - 1);
    const int high = digit(input_[end + 1]), low = digit(input_[end + 2]);
    const bool right = high >= 0 && low >= 0 && checksum(raw) == static_cast<unsigned>(high * 16 + low);
    debug_packet packet{debug_packet::kind::body, unescaped(raw)};
    input_.erase(0, end + 3);
    if (packet.body.size() > max_debug_packet) {
      broken_ = true;
      return std::nullopt;
    }
    if (acknowledges_) answer_ += right ? '+' : '-';
    if (right || !acknowledges_) return packet;
  }
  return std::nullopt;
}

std::string framed(std::string_view body) {
  std::string out = "$";
  for (const char c : body) {
    if (c == '$' || c == '#' || c == escape || c == '*') {
      out += escape;
      out += static_cast<char>(c ^ 0x20);
    } else {
      out += c;
    }
  }
  const unsigned sum = checksum(std::string_view(out).substr(1));
  out += '#';
  out += digits[sum >> 4];
  out += digits[sum & 15];
  return out;
}

std::string to_hex(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto b = static_cast<unsigned char>(c);
    out += digits[b >> 4];
    out += digits[b & 15];
  }
  return out;
}

std::string to_hex(std::uint64_t number) {
  char text[16];
  const auto r = std::to_chars(text, text + sizeof text, number, 16);
  return {text, r.ptr};
}

std::optional<std::string> bytes_of_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

std::optional<std::uint64_t> number_of_hex(std::string_view text) {
  std::uint64_t value = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.empty() || r.ec != std::errc() || r.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace osvm::unikernel
