// Vectors of BLAKE3's own test_vectors.json (input: 0, 1, … 250, 0, …; 131 bytes of output),
// and that neither the instruction set nor how the input is cut changes anything.
#include <osvm/core/blake3.hpp>

#include <gtest/gtest.h>

#include <vector>

#include "core/blake3/kernel.hpp"

namespace osvm::test {
namespace {

std::vector<std::byte> input(std::size_t size) {
  std::vector<std::byte> out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i % 251);
  return out;
}
std::string hex(std::span<const std::byte> bytes) {
  std::string out;
  for (const auto b : bytes)
    for (const int shift : {4, 0}) out.push_back("0123456789abcdef"[(std::to_integer<int>(b) >> shift) & 15]);
  return out;
}

struct vector {
  std::size_t size;
  const char* output;
};
constexpr vector vectors[] = {
    {0,
     "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262e00f03e7b69af26b7faaf09fcd333050"
     "338ddfe085b8cc869ca98b206c08243a26f5487789e8f660afe6c99ef9e0c52b92e7393024a80459cf91f476f9ffdbda"
     "7001c22e159b402631f277ca96f2defdf1078282314e763699a31c5363165421cce14d"},
    {1,
     "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213c3a6cb8bf623e20cdb535f8d1a5ffb86"
     "342d9c0b64aca3bce1d31f60adfa137b358ad4d79f97b47c3d5e79f179df87a3b9776ef8325f8329886ba42f07fb138b"
     "b502f4081cbcec3195c5871e6c23e2cc97d3c69a613eba131e5f1351f3f1da786545e5"},
    {1024,
     "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af71cf8107265ecdaf8505b95d8fcec83a9"
     "8a6a96ea5109d2c179c47a387ffbb404756f6eeae7883b446b70ebb144527c2075ab8ab204c0086bb22b7c93d465efc5"
     "7f8d917f0b385c6df265e77003b85102967486ed57db5c5ca170ba441427ed9afa684e"},
    {1025,
     "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444f4c4a22b4b399155358a994e52bf255d"
     "e60035742ec71bd08ac275a1b51cc6bfe332b0ef84b409108cda080e6269ed4b3e2c3f7d722aa4cdc98d16deb554e562"
     "7be8f955c98e1d5f9565a9194cad0c4285f93700062d9595adb992ae68ff12800ab67a"},
    {8193,
     "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3bb2282aa69be089359ea1154b9a9286c4"
     "a56af4de975a9aa4a5c497654914d279bea60bb6d2cf7225a2fa0ff5ef56bbe4b149f3ed15860f78b4e2ad04e158e375"
     "c1e0c0b551cd7dfc82f1b155c11b6b3ed51ec9edb30d133653bb5709d1dbd55f4e1ff6"},
    {102400,
     "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085e01c59dab908c04c3342b816941a26d6"
     "9c2605ebee5ec5291cc55e15b76146e6745f0601156c3596cb75065a9c57f35585a52e1ac70f69131c23d611ce11ee4a"
     "b1ec2c009012d236648e77be9295dd0426f29b764d65de58eb7d01dd42248204f45f8e"},
};

TEST(blake3, official_vectors) {
  for (const auto& v : vectors) {
    std::array<std::byte, 131> out{};
    blake3().update(input(v.size)).finish(out);
    EXPECT_EQ(hex(out), v.output) << v.size;
    EXPECT_EQ(hex(blake3_hash(input(v.size))), std::string(v.output).substr(0, 64)) << v.size;
  }
}

TEST(blake3, input_in_pieces_is_the_same_input) {
  const auto all = input(40000);
  const auto whole = blake3_hash(all);
  for (const std::size_t piece : {1u, 63u, 64u, 65u, 1023u, 1024u, 1025u, 8192u, 8193u, 9000u}) {
    blake3 h;
    for (std::size_t at = 0; at < all.size(); at += piece)
      h.update(std::span(all).subspan(at, std::min(piece, all.size() - at)));
    std::array<std::byte, 32> out{};
    h.finish(out);
    EXPECT_EQ(hex(out), hex(whole)) << piece;
  }
}

// UBSan stops at a memcpy to null.
TEST(blake3, an_empty_output_is_none) {
  blake3().update(input(3)).finish({});
}

TEST(blake3, output_is_one_stream) {
  blake3 h;
  h.update(input(100));
  std::array<std::byte, 2048> long_one{};
  h.finish(long_one);
  for (std::size_t n : {0u, 1u, 31u, 32u, 33u, 64u, 65u, 511u, 512u, 513u, 2047u}) {
    std::vector<std::byte> out(n);
    h.finish(out);
    EXPECT_EQ(hex(out), hex(std::span(long_one).first(n)));
  }
}

TEST(blake3, instruction_sets_agree) {
  using namespace blake3_detail;
  const auto& few = baseline_kernel();
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "this processor has no AVX2";
  const auto& many = avx2_kernel();
  const auto bytes = input(8 * 1024);
  const auto* in = reinterpret_cast<const std::uint8_t*>(bytes.data());
  constexpr std::uint64_t counter = 0xfffffffe;  // carries into the upper half
  std::array<std::uint32_t, 64> a{}, b{};
  few.chunks(in, counter, a.data());
  few.chunks(in + 4096, counter + 4, a.data() + 32);
  many.chunks(in, counter, b.data());
  EXPECT_EQ(a, b);
  std::array<std::uint32_t, 128> c{}, d{};
  const auto* words = reinterpret_cast<const std::uint32_t*>(bytes.data());
  few.output(words, words + 8, 60, 1, counter, c.data());
  few.output(words, words + 8, 60, 1, counter + 4, c.data() + 64);
  many.output(words, words + 8, 60, 1, counter, d.data());
  EXPECT_EQ(c, d);
}

}  // namespace
}  // namespace osvm::test
