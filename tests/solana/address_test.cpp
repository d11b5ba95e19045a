#include <osvm/solana/address.hpp>
#include <osvm/solana/hashing.hpp>
#include <osvm/solana/programs.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace osvm::solana {
namespace {

TEST(address, curve_check_equals_curve25519_dalek) {  // the bits come from solders' is_on_curve
  const std::string_view bits = "0111000110000101011011011001000101011010110110110100011111000010";
  for (std::size_t i = 0; i < bits.size(); ++i) {
    pubkey k;
    k.bytes = sha256(as_bytes(std::to_string(i))).bytes;
    EXPECT_EQ(on_curve(k), bits[i] == '1') << i;
  }
  int count = 0;
  for (int i = 0; i < 256; ++i) {
    pubkey k;
    k.bytes[0] = static_cast<std::uint8_t>(i);
    count += on_curve(k);
  }
  EXPECT_EQ(count, 128);
}

TEST(address, numbers_around_the_prime) {  // also not reduced ones
  for (int i = 0; i < 30; ++i) {
    pubkey k;
    k.bytes.fill(255);
    k.bytes[31] = 127;
    const int low = 0xed + i - 15;  // 2^255-19 ends in 0xed
    k.bytes[0] = static_cast<std::uint8_t>(low);
    if (low > 255) {  // carried through all bytes: 2^255 and a little
      k.bytes.fill(0);
      k.bytes[0] = static_cast<std::uint8_t>(low - 256);
      k.bytes[31] = 128;
    }
    static constexpr int on[] = {0, 1, 5, 6, 9, 10, 11, 12, 14, 15, 16, 18, 19, 20, 21, 24, 25, 29};
    EXPECT_EQ(on_curve(k), std::ranges::find(on, i) != std::end(on)) << i;
  }
}

TEST(address, program_derived_addresses_equal_solders) {
  const std::string_view one[] = {"osvm"};
  bytes_view seeds[] = {as_bytes(one[0])};
  auto found = find_program_address(seeds, programs::token);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->first.to_string(), "EHTQbcGGfPmbLTn1VY2bpvhPhyFh16de1iLaBToTbEYq");
  EXPECT_EQ(found->second, 255);
  const std::string zeros(32, '\0');
  const bytes_view three[] = {as_bytes("a"), as_bytes("bc"), as_bytes(zeros)};
  found = find_program_address(three, programs::token);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->first.to_string(), "7fda3NpAgAiHq1Dbs7BDXvSsEjASRXXtzMEZzW7vgreN");
  EXPECT_EQ(found->second, 250);
  EXPECT_EQ(find_program_address({}, programs::token)->first.to_string(),
            "29aDZ12ST2mQkLeVfoeKkkm7WA83MCyiGU3Zf8MjDDGV");
  const auto owner = *pubkey::parse("FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF");
  EXPECT_EQ(associated_token_address(owner, programs::native_mint, programs::token)->to_string(),
            "6G1uk4kms3xPSeX1RwzMaYumnqWBs9xxCEUjZk5MxPvF");
  EXPECT_EQ(create_with_seed(owner, "osvm", programs::token)->to_string(),
            "4o8XGjRKFLbyQHxPsYvGPd5uLgH7SeUFyig9qHR4PXTv");
}

TEST(address, seeds_are_bounded) {
  const std::string long_seed(33, 'x');
  const bytes_view one[] = {as_bytes(long_seed)};
  EXPECT_EQ(find_program_address(one, programs::token).error().code, osvm::errc::limit_exceeded);
  const std::vector<bytes_view> many(17, as_bytes("s"));
  EXPECT_EQ(create_program_address(many, programs::token).error().code, osvm::errc::limit_exceeded);
  EXPECT_EQ(create_with_seed(programs::token, long_seed, programs::token).error().code,
            osvm::errc::limit_exceeded);
}

}  // namespace
}  // namespace osvm::solana
