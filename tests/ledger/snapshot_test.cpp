#include <osvm/ledger/account_store.hpp>

#include <gtest/gtest.h>
#include <zstd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "snapshot_bytes.hpp"

namespace osvm::ledger::test {
namespace {

solana::pubkey key_of(unsigned char b) {
  solana::pubkey k;
  k.bytes.fill(b);
  return k;
}

std::string zstd(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 1));
  return out;
}

class snapshots : public ::testing::Test {
 protected:
  snapshots() {
    char name[] = "/tmp/osvm-snapshot-XXXXXX";
    folder = ::mkdtemp(name);
  }
  ~snapshots() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  std::string file(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder + "/" + name, std::ios::binary) << bytes;
    return folder + "/" + name;
  }
  result<account_store> load(const std::string& archive) const {
    return account_store::load({file("one.tar", archive)});
  }
  std::string folder;
};

TEST_F(snapshots, the_newest_record_of_an_account_counts_and_deleted_ones_are_gone) {
  const made_storage old{9, 1, make_storage({{1, 2, 10, "first"}, {3, 2, 30, "gone later"}})};
  const made_storage next{10, 2, make_storage({{1, 2, 11, "x"}, {1, 2, 12, "second"}, {3, 2, 0, ""}})};
  const auto store = account_store::load({file("one.tar.zst", zstd(make_archive(10, {next, old})))});
  ASSERT_TRUE(store) << store.error().to_string();
  EXPECT_EQ(store->size(), 1u);
  ASSERT_TRUE(store->find(key_of(1)));
  EXPECT_EQ(store->find(key_of(1))->view.lamports, 12u);
  EXPECT_EQ(store->find(key_of(1))->view.data.size(), 6u);
  EXPECT_EQ(store->find(key_of(1))->slot, 10u);
  EXPECT_EQ(store->owned_by(key_of(2)).size(), 1u);
  ASSERT_TRUE(store->bank());
  EXPECT_EQ(store->bank()->transaction_count, 77u);
  EXPECT_EQ(store->bank()->rent.lamports_per_byte_year, 3480u);
  ASSERT_EQ(store->bank()->vote_accounts.size(), 1u);
  EXPECT_EQ(store->bank()->vote_accounts[0].stake, 42u);
}

TEST_F(snapshots, a_folder_gives_its_newest_full_archive_and_what_stands_on_it) {
  const auto put = [&](const std::string& name, std::uint64_t slot, std::uint64_t lamports) {
    file(name, make_archive(slot, {{slot, 1, make_storage({{1, 2, lamports, ""}})}}));
  };
  put("snapshot-5-a.tar", 5, 5);
  file("validator-keypair.json", "[1,2,3]");
  EXPECT_FALSE(account_store::load({folder + "/validator-keypair.json"})) << "asked for by name";
  put("snapshot-10-b.tar", 10, 10);
  put("incremental-snapshot-5-20-c.tar", 20, 20);
  put("incremental-snapshot-10-15-d.tar", 15, 15);
  const auto store = account_store::load({folder});
  ASSERT_TRUE(store) << store.error().to_string();
  EXPECT_EQ(store->slot(), 15u);
  EXPECT_EQ(store->find(key_of(1))->view.lamports, 15u);
}

TEST_F(snapshots, what_is_no_snapshot_is_refused_by_name) {
  const made_storage one{10, 1, make_storage({{1, 2, 10, "data"}})};
  const auto good = make_archive(10, {one});
  EXPECT_FALSE(load(""));
  EXPECT_FALSE(load(good.substr(0, 700)));
  EXPECT_FALSE(load(tar_file("version", "9.9.9")));
  EXPECT_FALSE(load(tar_file("accounts/1.1", "x"))) << "accounts before the manifest";
  EXPECT_FALSE(load(tar_file("version", "", '2'))) << "a link";
  auto longer = one;
  longer.bytes.resize(100);
  EXPECT_FALSE(load(make_archive(10, {longer}))) << "half a record";
  auto damaged = good;
  damaged[20] ^= 1;
  EXPECT_FALSE(load(damaged)) << "a tar header whose checksum does not hold";
  auto compressed = zstd(good);
  compressed.resize(compressed.size() / 2);
  EXPECT_FALSE(account_store::load({file("cut.tar.zst", compressed)}));
  EXPECT_FALSE(account_store::load({file("bank.txt", good)}));
  EXPECT_FALSE(account_store::load({folder + "/none.tar"}));
}

TEST_F(snapshots, more_accounts_than_the_limit_are_refused) {
  const made_storage one{10, 1, make_storage({{1, 2, 10, std::string(5000, 'x')}})};
  const auto path = file("one.tar", make_archive(10, {one}));
  EXPECT_TRUE(account_store::load({path}, {.max_bytes = 6000}));
  const auto refused = account_store::load({path}, {.max_bytes = 4000});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, osvm::errc::limit_exceeded);
}

}  // namespace
}  // namespace osvm::ledger::test
