#include <osvm/solana/base58.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/keys.hpp>

#include <gtest/gtest.h>

#include <random>

namespace osvm::solana {
namespace {

pubkey filled(std::uint8_t v) {
  pubkey k;
  k.bytes.fill(v);
  return k;
}

TEST(base58, known_texts) {  // as solders writes them
  EXPECT_EQ(pubkey{}.to_string(), "11111111111111111111111111111111");
  EXPECT_EQ(filled(255).to_string(), "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG");
  pubkey k;
  for (std::uint8_t i = 0; i < 27; ++i) k.bytes[5 + i] = static_cast<std::uint8_t>(i + 1);
  EXPECT_EQ(k.to_string(), "111118uEYg7a7p8DdMuZugMSsYkUUiRiLz2F5XKcv");
  signature s;
  s.bytes.fill(255);
  EXPECT_EQ(s.to_string(),
            "67rpwLCuS5DGA8KGZXKsVQ7dnPb9goRLoKfgGbLfQg9WoLUgNY77E2jT11fem3coV9nAkguBACzrU1iyZM4B8roQ");
  s = {};
  for (std::uint8_t i = 0; i < 61; ++i) s.bytes[3 + i] = i;
  EXPECT_EQ(s.to_string(),
            "1111BMphAQwBXpRKbahhHTbLznKUCCg9TVYwGpWDy18iUsc87zD9ndHfDr3sDZRZgZwqZNWtj1fgjqcrG63uM");
}

TEST(base58, fixed_and_general_forms_agree_on_random_and_sparse_bytes) {
  std::mt19937 random(1);
  for (int i = 0; i < 4000; ++i) {
    signature s;
    const auto zeros = i % 3 == 0 ? random() % 64 : 0;
    for (std::size_t b = zeros; b < 64; ++b)
      s.bytes[b] = static_cast<std::uint8_t>(i % 5 ? random() : random() % 2 * 255);
    for (const std::size_t n : {std::size_t{32}, std::size_t{64}}) {
      const auto bytes = s.view().first(n);
      const std::string text = base58_encode(bytes);
      const auto general = base58_decode(text);
      ASSERT_TRUE(general);
      ASSERT_TRUE(std::equal(general->begin(), general->end(), bytes.begin(), bytes.end())) << text;
      std::uint8_t back[64];
      ASSERT_TRUE(n == 32 ? base58_decode_32(text, back) : base58_decode_64(text, back)) << text;
      ASSERT_EQ(std::memcmp(back, s.data(), n), 0) << text;
    }
  }
}

TEST(base58, every_size_comes_back) {
  std::mt19937 random(3);
  for (std::size_t n = 0; n < 700; ++n)
    for (const unsigned kind : {0U, 1U, 2U, 3U}) {
      std::string bytes(n, '\xff');
      for (auto& c : bytes)
        if (kind) c = static_cast<char>(kind == 1 ? random() : random() % 8 == 0 ? random() : 0);
      const auto back = base58_decode(base58_encode(as_bytes(bytes)), 4096);
      ASSERT_TRUE(back) << n;
      ASSERT_EQ(std::string(reinterpret_cast<const char*>(back->data()), back->size()), bytes) << n;
    }
}

TEST(base58, what_is_longer_than_any_table_comes_back) {
  std::mt19937 random(4);
  for (const std::size_t n : {1231U, 1232U, 2000U, 4096U}) {
    std::string bytes(n, '\0');
    for (auto& c : bytes) c = static_cast<char>(random());
    const auto text = base58_encode(as_bytes(bytes));
    ASSERT_LE(text.size(), base58_bound(n));
    const auto back = base58_decode(text, 8192);
    ASSERT_TRUE(back);
    ASSERT_EQ(std::string(reinterpret_cast<const char*>(back->data()), back->size()), bytes);
  }
}

TEST(base64, every_size_comes_back) {
  std::mt19937 random(5);
  for (std::size_t n = 0; n < 400; ++n) {
    std::string bytes(n, '\0');
    for (auto& c : bytes) c = static_cast<char>(n % 2 ? random() : n);  // every value of six bits
    const auto text = base64_encode(as_bytes(bytes));
    ASSERT_EQ(text.size(), base64_size(n));
    const auto back = base64_decode(text);
    ASSERT_TRUE(back) << n;
    ASSERT_EQ(std::string(reinterpret_cast<const char*>(back->data()), back->size()), bytes) << n;
  }
}

TEST(base58, refuses_what_is_not_exactly_32_bytes) {
  const std::string most = "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG";
  EXPECT_TRUE(pubkey::parse(most));
  for (const std::string bad : {"JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFH",   // 2^256
                                "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",   // far past it
                                "1JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG",  // 33 bytes
                                "1111111111111111111111111111111",                // 31
                                "111111111111111111111111111111111",              // 33
                                "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWx0G",   // 0 is no digit
                                "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWx\xff"
                                "G",
                                "", "1"}) {
    EXPECT_FALSE(pubkey::parse(bad)) << bad;
  }
}

TEST(base58, general_form_is_bounded_and_keeps_leading_zeros) {
  EXPECT_EQ(base58_decode(std::string(100, '1'), 99).error().code, osvm::errc::limit_exceeded);
  EXPECT_EQ(base58_decode("1I").error().code, osvm::errc::malformed);
  EXPECT_EQ(base58_encode({}), "");
  EXPECT_EQ(base58_decode("111")->size(), 3u);
  EXPECT_EQ(base58_encode(as_bytes("hello")), "Cn8eVZg");
}

TEST(base64, both_ways_and_strict) {
  EXPECT_EQ(base64_encode(as_bytes("")), "");
  EXPECT_EQ(base64_encode(as_bytes("f")), "Zg==");
  EXPECT_EQ(base64_encode(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(base64_encode(as_bytes("foobar")), "Zm9vYmFy");
  for (const char* bad : {"Zg=", "Zg", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Z g=", "Zm9vYmF-"})
    EXPECT_FALSE(base64_decode(bad)) << bad;
  std::mt19937 random(2);
  for (std::size_t n = 0; n < 200; ++n) {
    std::string bytes(n, '\0');
    for (auto& c : bytes) c = static_cast<char>(random());
    const auto back = base64_decode(base64_encode(as_bytes(bytes)));
    ASSERT_TRUE(back);
    ASSERT_EQ(std::string(reinterpret_cast<const char*>(back->data()), back->size()), bytes);
  }
  EXPECT_EQ(base64_decode("Zm9vYmFy", 3).error().code, osvm::errc::limit_exceeded);
}

}  // namespace
}  // namespace osvm::solana
