// Raw shreds of mainnet, where OSVM_TEST_DATA names the folder that holds them: slot 102815960, the first two
// slots ever, and a slot of a local cluster with Merkle shreds.
#include <osvm/ledger/block.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "ledger/snapshot/tar.hpp"

namespace osvm::ledger::test {
namespace {

// Folder -> file -> bytes, of the data shreds.
using shred_folders = std::map<std::string, std::map<std::string, std::string>>;

class real_shreds : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("OSVM_TEST_DATA");
    if (!folder || !std::filesystem::is_directory(std::string(folder) + "/shreds"))
      GTEST_SKIP() << "NOT APPLICABLE: OSVM_TEST_DATA names no folder with shreds";
    path = std::string(folder) + "/shreds/";
  }
  shred_folders read(const std::string& name) const {
    shred_folders out;
    const auto from = open_byte_source(path + name);
    EXPECT_TRUE(from) << from.error().to_string();
    const auto done = each_tar_entry(**from, 10000, [&](const tar_entry& e) -> result<std::uint64_t> {
      const auto slash = e.name.rfind('/');
      if (e.directory || e.name[slash + 1] != 'd') return std::uint64_t{0};
      auto& to = out[e.name.substr(0, slash)][e.name.substr(slash + 1)];
      to.resize(e.size);
      OSVM_CHECK((*from)->read_all(to.data(), e.size));
      return e.size;
    });
    EXPECT_TRUE(done) << done.error().to_string();
    return out;
  }
  static result<block> build(const std::map<std::string, std::string>& shreds) {
    std::vector<bytes_view> views;
    for (const auto& [name, bytes] : shreds) views.push_back(as_bytes(bytes));
    return block::build(views);
  }
  std::string path;
};

TEST_F(real_shreds, a_mainnet_slot_of_legacy_shreds) {
  const auto folders = read("mainnet-102815960.tar.zst");
  ASSERT_EQ(folders.size(), 1u);
  const auto b = build(folders.begin()->second);
  ASSERT_TRUE(b) << b.error().to_string();
  EXPECT_EQ(b->shreds(), 1427u);
  EXPECT_EQ(b->entries().size(), 881u);
  EXPECT_EQ(b->transactions().size(), 3177u);
  std::size_t votes = 0;
  for (const auto& tx : b->transactions()) votes += solana::is_simple_vote(tx);
  EXPECT_EQ(votes, 2539u);
  EXPECT_EQ(verify_poh(*b, {}, 1, b->entries().size()), b->entries().size());
  EXPECT_FALSE(b->genesis_layout());
}

TEST_F(real_shreds, genesis_era_and_merkle_slots) {
  const auto folders = read("genesis-era-and-localnet.tar.zst");
  ASSERT_GE(folders.size(), 3u);
  std::size_t genesis = 0;
  for (const auto& [name, shreds] : folders) {
    const auto b = build(shreds);
    ASSERT_TRUE(b) << name << ": " << b.error().to_string();
    EXPECT_GE(b->entries().size(), 1u) << name;
    EXPECT_EQ(verify_poh(*b, {}, 1, b->entries().size()), b->entries().size()) << name;
    genesis += b->genesis_layout();
  }
  EXPECT_EQ(genesis, 2u) << "mainnet's slots 0 and 1";
}

}  // namespace
}  // namespace osvm::ledger::test
