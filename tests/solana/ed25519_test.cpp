#include <osvm/solana/ed25519.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

namespace osvm::solana {
namespace {

keypair counting_key() {
  std::array<std::uint8_t, 32> seed;
  for (std::uint8_t i = 0; i < 32; ++i) seed[i] = i;
  return *keypair::from_seed(std::as_bytes(std::span(seed)));
}

TEST(ed25519, signs_as_solders_does_and_verifies) {
  const auto key = counting_key();
  EXPECT_EQ(key.address().to_string(), "FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF");
  auto s = *key.sign(as_bytes("osvm"));
  EXPECT_EQ(s.to_string(),
            "4zpfxcr49zoDJe8dCqDkHcgBXcVWfWxWnZWGdwWcBH713K6HNeJ9JYKXQoEW6a5ecZ3WiNWxAN4WfcV1u9biVfsn");
  EXPECT_TRUE(verify(s, key.address(), as_bytes("osvm")));
  EXPECT_FALSE(verify(s, key.address(), as_bytes("Osvm")));
  EXPECT_FALSE(verify(s, pubkey{}, as_bytes("osvm")));
  s.bytes[10] ^= 1;
  EXPECT_FALSE(verify(s, key.address(), as_bytes("osvm")));
}

class key_file : public ::testing::Test {
 protected:
  key_file() {
    char folder[] = "/tmp/osvm-key-XXXXXX";
    folder_ = ::mkdtemp(folder);
  }
  ~key_file() override {
    ::unlink(path().c_str());
    ::rmdir(folder_.c_str());
  }
  std::string path() const { return folder_ + "/id.json"; }
  result<keypair> load(const std::string& text, mode_t mode = 0600) const {
    std::ofstream(path()) << text;
    ::chmod(path().c_str(), mode);
    return keypair::load(path());
  }
  std::string folder_;
};

std::string json_of(const keypair& key, bool wrong_public = false) {
  std::string out = "[";
  for (int i = 0; i < 32; ++i) out += std::to_string(i) + ",";
  for (int i = 0; i < 32; ++i)
    out += std::to_string(key.address().bytes[static_cast<std::size_t>(i)] ^ (wrong_public && i == 3)) +
           (i < 31 ? "," : "]");
  return out;
}

TEST_F(key_file, is_read_as_solana_keygen_writes_it) {
  const auto key = load(json_of(counting_key()) + "\n");
  ASSERT_TRUE(key) << key.error().to_string();
  EXPECT_EQ(key->address(), counting_key().address());
}

TEST_F(key_file, is_refused_when_others_may_read_it) {
  EXPECT_EQ(load(json_of(counting_key()), 0640).error().code, osvm::errc::denied);
  EXPECT_EQ(load(json_of(counting_key()), 0604).error().code, osvm::errc::denied);
}

TEST_F(key_file, refuses_malformed_ones) {
  EXPECT_FALSE(load(json_of(counting_key(), true)));
  for (const char* bad : {"", "[", "[1,2,3]", "{}", "[-1]", "\"text\""}) EXPECT_FALSE(load(bad)) << bad;
  EXPECT_FALSE(load(json_of(counting_key()) + "x"));
  std::string big = json_of(counting_key());
  big.replace(1, 1, "256");
  EXPECT_FALSE(load(big));
  EXPECT_FALSE(keypair::load(folder_ + "/absent.json"));
  EXPECT_FALSE(keypair::load(folder_));
}

}  // namespace
}  // namespace osvm::solana
