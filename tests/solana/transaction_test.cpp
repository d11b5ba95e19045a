#include <osvm/solana/base64.hpp>
#include <osvm/solana/programs.hpp>
#include <osvm/solana/transaction.hpp>

#include <gtest/gtest.h>

#include <random>

namespace osvm::solana {
namespace {

// Made and signed by solders.
constexpr std::string_view legacy_text =
    "ATVXUCqCyZgO2NbErY4Lpj7aPBaI52QRpu8O12KRpp7WiRvVHNhr6Tqja0DR9sS/ZRPh3PiunCUiBV5ow4oqJgkBAAEDA6EHv/"
    "POEL4dcN0Y50vAmWfk"
    "1jCbpQ1fHdyGZBJVMbgJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AwMDAwMDAwMD"
    "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMBAgIAAQwCAAAAKgAAAAAAAAA=";
constexpr std::string_view v0_text =
    "AfR/zA6JtYEQfKhbCz9r1S8Uzss0lmQEYPhVl2Dor6Ukcf+Uid95OofnT+aEUfut8muMkIbsDdv1BhexW+6ZKAOAAQABAgOhB7/"
    "zzhC+HXDdGOdLwJln"
    "5NYwm6UNXx3chmQSVTG4AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD"
    "AwEBAgACDAIA"
    "AAAqAAAAAAAAAAEICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAEBAA==";

std::vector<std::byte> bytes_of(std::string_view text) {
  return *base64_decode(text);
}

TEST(transaction, reads_a_legacy_one) {
  const auto wire = bytes_of(legacy_text);
  transaction_view tx;
  ASSERT_TRUE(parse_transaction(wire, tx));
  EXPECT_EQ(tx.size, wire.size());
  ASSERT_EQ(tx.signatures.size(), 1u);
  EXPECT_EQ(tx.message.version, message_version::legacy);
  ASSERT_EQ(tx.message.keys.size(), 3u);
  EXPECT_EQ(tx.message.keys[2], programs::system);
  EXPECT_TRUE(tx.message.is_signer(0) && tx.message.is_writable_by_header(0));
  EXPECT_TRUE(!tx.message.is_signer(1) && tx.message.is_writable_by_header(1));
  EXPECT_FALSE(tx.message.is_writable_by_header(2));
  ASSERT_EQ(tx.message.instructions.size(), 1u);
  EXPECT_EQ(tx.message.instructions[0].data.size(), 12u);
  EXPECT_TRUE(sanitize(tx));
  EXPECT_TRUE(verify_signatures(tx));
  EXPECT_FALSE(is_simple_vote(tx));
}

TEST(transaction, reads_a_v0_one_with_a_lookup) {
  const auto wire = bytes_of(v0_text);
  transaction_view tx;
  ASSERT_TRUE(parse_transaction(wire, tx));
  EXPECT_EQ(tx.message.version, message_version::v0);
  ASSERT_EQ(tx.message.lookups.size(), 1u);
  EXPECT_EQ(tx.message.loaded_writable(), 1u);
  EXPECT_EQ(tx.message.loaded_readonly(), 0u);
  EXPECT_EQ(tx.message.lookups[0].writable[0], 1);
  EXPECT_TRUE(sanitize(tx));
  EXPECT_TRUE(verify_signatures(tx));
}

TEST(transaction, reads_a_v1_one) {
  std::string wire("\x81\x01\x00\x01", 4);
  wire += std::string("\x07\x00\x00\x00", 4);  // priority fee and unit limit
  wire += std::string(32, '\x05');             // blockhash
  wire += std::string("\x01\x02", 2);          // one instruction, two addresses
  wire += std::string(32, '\x01') + std::string(32, '\x02');
  wire += std::string("\x09\0\0\0\0\0\0\0", 8) + std::string("\x40\x0d\x03\0", 4);
  wire += std::string("\x01\x01\x03\x00", 4);  // program 1, one account, three bytes
  wire += std::string("\x00", 1) + "abc";
  const std::size_t message = wire.size();
  wire += std::string(64, '\x07') + "rest";
  transaction_view tx;
  const auto done = parse_transaction(as_bytes(wire), tx);
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(tx.message.version, message_version::v1);
  EXPECT_EQ(tx.size, message + 64);
  EXPECT_EQ(tx.message.bytes.size(), message);
  EXPECT_EQ(tx.message.config.priority_fee, 9u);
  EXPECT_EQ(tx.message.config.compute_unit_limit, 200000u);
  EXPECT_FALSE(tx.message.config.heap_size);
  EXPECT_EQ(tx.signatures.size(), 1u);
  ASSERT_EQ(tx.message.instructions.size(), 1u);
  EXPECT_EQ(tx.message.instructions[0].data.size(), 3u);
  EXPECT_TRUE(sanitize(tx));
  wire[4] = 1;  // half of the priority fee
  EXPECT_EQ(parse_transaction(as_bytes(wire), tx).error().code, osvm::errc::malformed);
  wire[4] = 0x27;
  EXPECT_EQ(parse_transaction(as_bytes(wire), tx).error().code, osvm::errc::malformed);
}

TEST(transaction, every_cut_is_an_error) {
  for (const auto text : {legacy_text, v0_text}) {
    const auto wire = bytes_of(text);
    for (std::size_t n = 0; n < wire.size(); ++n) {
      transaction_view tx;
      const auto done = parse_transaction(bytes_view(wire).first(n), tx);
      ASSERT_FALSE(done) << n;
      EXPECT_EQ(done.error().code, osvm::errc::truncated) << n;
    }
  }
}

TEST(transaction, flipped_bytes_never_pass_the_signature) {
  const auto good = bytes_of(legacy_text);
  std::mt19937 random(3);
  for (int i = 0; i < 500; ++i) {
    auto wire = good;
    wire[random() % wire.size()] ^= static_cast<std::byte>(1 + random() % 255);
    transaction_view tx;
    if (!parse_transaction(wire, tx) || tx.size != wire.size()) continue;
    EXPECT_FALSE(sanitize(tx) && verify_signatures(tx)) << i;
  }
}

TEST(transaction, is_bounded) {
  std::string wire("\x7f", 1);
  wire += std::string(64 * 127, 'x');
  transaction_view tx;
  EXPECT_EQ(parse_transaction(as_bytes(wire), tx).error().code, osvm::errc::limit_exceeded);
}

TEST(compact_u16, only_the_shortest_form) {
  for (const std::uint32_t v : {0u, 1u, 0x7fu, 0x80u, 0x3fffu, 0x4000u, 0xffffu}) {
    std::string text;
    append_compact_u16(text, static_cast<std::uint16_t>(v));
    byte_reader in(as_bytes(text));
    EXPECT_EQ(*read_compact_u16(in), v);
    EXPECT_EQ(in.remaining(), 0u);
  }
  for (const std::string_view bad : {std::string_view("\x80\x00", 2), std::string_view("\xff\x80\x00", 3),
                                     std::string_view("\xff\xff\x04", 3), std::string_view("\x80\x80\x80", 3),
                                     std::string_view("\x80", 1), std::string_view("", 0)}) {
    byte_reader in(as_bytes(bad));
    EXPECT_FALSE(read_compact_u16(in));
  }
}

}  // namespace
}  // namespace osvm::solana
