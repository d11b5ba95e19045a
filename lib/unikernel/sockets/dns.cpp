#include "unikernel/sockets/dns.hpp"

#include <algorithm>

namespace osvm::unikernel::dns {
namespace {

constexpr std::size_t header = 12, most_addresses = 16, most_name = 253;
constexpr std::uint16_t response = 0x8000, recursion_available = 0x0080, recursion_desired = 0x0100,
                        opcode_mask = 0x7800, name_error = 3;
constexpr std::uint32_t seconds = 60;  // how long an answer may be kept

std::uint16_t word(std::span<const std::byte> m, std::size_t at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(m[at]) << 8 |
                                    std::to_integer<unsigned>(m[at + 1]));
}
void put16(std::vector<std::byte>& out, unsigned value) {
  out.push_back(static_cast<std::byte>(value >> 8 & 0xff));
  out.push_back(static_cast<std::byte>(value & 0xff));
}

// Labels until the empty one; pointers have no place in a question.
bool take_name(std::span<const std::byte> m, std::size_t& at, std::string& out) {
  for (;;) {
    if (at >= m.size()) return false;
    const auto length = std::to_integer<std::size_t>(m[at++]);
    if (length == 0) return true;
    if (length > 63 || length > m.size() - at || out.size() + length + 1 > most_name) return false;
    if (!out.empty()) out += '.';
    for (const std::byte b : m.subspan(at, length)) {
      const char c = static_cast<char>(b);
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    at += length;
  }
}

}  // namespace

bool parse(std::span<const std::byte> message, question& out) {
  if (message.size() < header || message.size() > max_query) return false;
  out = {.id = word(message, 0), .flags = word(message, 2), .name = {}};
  constexpr std::uint16_t internet = 1;
  if ((out.flags & (response | opcode_mask)) != 0 || word(message, 4) != 1 || word(message, 6) != 0)
    return false;
  std::size_t at = header;
  if (!take_name(message, at, out.name) || message.size() - at < 4) return false;
  out.type = word(message, at);
  if (word(message, at + 2) != internet) return false;
  out.end = at + 4;
  return true;
}

std::vector<std::byte> respond(std::span<const std::byte> message, const question& asked,
                               const answer& with) {
  const std::size_t count = with.known ? std::min(with.addresses.size(), most_addresses) : 0;
  std::vector<std::byte> out;
  put16(out, asked.id);
  put16(out,
        response | recursion_available | (asked.flags & recursion_desired) | (with.known ? 0U : name_error));
  put16(out, 1);
  put16(out, static_cast<unsigned>(count));
  put16(out, 0);
  put16(out, 0);
  out.insert(out.end(), message.begin() + header, message.begin() + static_cast<std::ptrdiff_t>(asked.end));
  for (std::size_t i = 0; i < count; ++i) {
    const auto& address = with.addresses[i];
    put16(out, 0xc000 | header);  // the question's name
    put16(out, asked.type);
    put16(out, 1);
    put16(out, seconds >> 16);
    put16(out, seconds & 0xffff);
    put16(out, static_cast<unsigned>(address.size()));
    for (const std::uint8_t b : address) out.push_back(std::byte{b});
  }
  return out;
}

}  // namespace osvm::unikernel::dns
