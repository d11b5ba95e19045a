#include <osvm/solana/base64.hpp>

#include <array>

namespace osvm::solana {
namespace {

constexpr char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Two characters for each 12-bit value: half the look-ups.
constexpr auto pairs = [] {
  std::array<std::array<char, 2>, 4096> table{};
  for (std::size_t i = 0; i < 4096; ++i) table[i] = {base64_alphabet[i >> 6], base64_alphabet[i & 63]};
  return table;
}();

constexpr auto values = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(255);
  for (std::uint8_t i = 0; i < 64; ++i) table[static_cast<unsigned char>(base64_alphabet[i])] = i;
  return table;
}();

}  // namespace

void base64_append(std::string& out, bytes_view bytes) {
  const std::size_t start = out.size();
  out.resize(start + (bytes.size() + 2) / 3 * 4);
  char* to = out.data() + start;
  const auto* p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const auto* end = p + bytes.size() / 3 * 3;
  for (; p != end; p += 3, to += 4) {
    const std::uint32_t v = static_cast<std::uint32_t>(p[0]) << 16 | p[1] << 8 | p[2];
    std::memcpy(to, pairs[v >> 12].data(), 2);
    std::memcpy(to + 2, pairs[v & 4095].data(), 2);
  }
  if (const std::size_t left = bytes.size() % 3; left) {
    const std::uint32_t v = static_cast<std::uint32_t>(p[0]) << 16 | (left == 2 ? p[1] << 8 : 0);
    std::memcpy(to, pairs[v >> 12].data(), 2);
    to[2] = left == 2 ? base64_alphabet[(v >> 6) & 63] : '=';
    to[3] = '=';
  }
}

std::string base64_encode(bytes_view bytes) {
  std::string out;
  base64_append(out, bytes);
  return out;
}

result<std::vector<std::byte>> base64_decode(std::string_view text, std::size_t max_bytes) {
  if (text.size() % 4) return error(osvm::errc::malformed, "base64 length is not a multiple of four");
  if (text.size() / 4 * 3 > max_bytes + 2)
    return error(osvm::errc::limit_exceeded, "base64 text is too long");
  std::size_t pad = 0;
  while (pad < 2 && pad < text.size() && text[text.size() - 1 - pad] == '=') ++pad;
  std::vector<std::byte> out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    std::uint32_t v = 0, count = 4 - (last ? static_cast<std::uint32_t>(pad) : 0);
    for (std::uint32_t k = 0; k < count; ++k) {
      const auto digit = values[static_cast<unsigned char>(text[i + k])];
      if (digit == 255) return error(osvm::errc::malformed, "a character outside the base64 alphabet");
      v |= std::uint32_t{digit} << (18 - 6 * k);
    }
    if ((count == 2 && (v & 0xffff)) || (count == 3 && (v & 0xff)))
      return error(osvm::errc::malformed, "base64 has bits behind its last byte");
    for (std::uint32_t k = 0; k + 1 < count; ++k) out.push_back(static_cast<std::byte>(v >> (16 - 8 * k)));
  }
  return out;
}

}  // namespace osvm::solana
