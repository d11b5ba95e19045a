#include <osvm/solana/base64.hpp>

#ifdef __x86_64__
#include <immintrin.h>
#endif

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

#ifdef __x86_64__
// 24 bytes at a time, as W. Mula and D. Lemire describe it ("Faster Base64 Encoding and Decoding Using AVX2
// Instructions"). Moves `p` on to what is left; each step reads 28 bytes.
__attribute__((target("avx2"))) char* write_avx2(const std::uint8_t*& p, const std::uint8_t* end,
                                                 char* to) noexcept {
  const __m256i spread = _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10,  //
                                          1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
  // How far each range of values lies from its characters: a-z, 0-9, '+', '/', A-Z.
  const __m256i distance =
      _mm256_setr_epi8(71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 65, 0, 0,  //
                       71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 65, 0, 0);
  for (; end - p >= 28; p += 24, to += 32) {
    const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 12));
    const __m256i in = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), spread);
    const __m256i outer = _mm256_mulhi_epu16(_mm256_and_si256(in, _mm256_set1_epi32(0x0fc0fc00)),
                                             _mm256_set1_epi32(0x04000040));
    const __m256i inner = _mm256_mullo_epi16(_mm256_and_si256(in, _mm256_set1_epi32(0x003f03f0)),
                                             _mm256_set1_epi32(0x01000010));
    const __m256i value = _mm256_or_si256(outer, inner);
    const __m256i capital = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), value);
    const __m256i range = _mm256_or_si256(_mm256_subs_epu8(value, _mm256_set1_epi8(51)),
                                          _mm256_and_si256(capital, _mm256_set1_epi8(13)));
    const __m256i text = _mm256_add_epi8(_mm256_shuffle_epi8(distance, range), value);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), text);
  }
  return to;
}
#endif

}  // namespace

char* base64_write(bytes_view bytes, char* to) noexcept {
  const auto* p = reinterpret_cast<const std::uint8_t*>(bytes.data());
#ifdef __x86_64__
  static const bool wide = __builtin_cpu_supports("avx2");
  if (wide) to = write_avx2(p, p + bytes.size(), to);
#endif
  const auto rest =
      bytes.subspan(static_cast<std::size_t>(p - reinterpret_cast<const std::uint8_t*>(bytes.data())));
  const auto* end = p + rest.size() / 3 * 3;
  for (; p != end; p += 3, to += 4) {
    const std::uint32_t v = static_cast<std::uint32_t>(p[0]) << 16 | p[1] << 8 | p[2];
    std::memcpy(to, pairs[v >> 12].data(), 2);
    std::memcpy(to + 2, pairs[v & 4095].data(), 2);
  }
  const std::size_t left = rest.size() % 3;
  if (left == 0) return to;
  const std::uint32_t v = static_cast<std::uint32_t>(p[0]) << 16 | (left == 2 ? p[1] << 8 : 0);
  std::memcpy(to, pairs[v >> 12].data(), 2);
  to[2] = left == 2 ? base64_alphabet[(v >> 6) & 63] : '=';
  to[3] = '=';
  return to + 4;
}

void base64_append(std::string& out, bytes_view bytes) {
  const std::size_t start = out.size();
  out.resize(start + base64_size(bytes.size()));
  base64_write(bytes, out.data() + start);
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
