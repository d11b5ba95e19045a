#include <osvm/ledger/account_store.hpp>
#include <osvm/ledger/lt_hash.hpp>

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

stored_record record(unsigned char address, std::uint64_t lamports, std::string_view data) {
  return {.slot = 1,
          .address = key_of(address),
          .owner = key_of(2),
          .lamports = lamports,
          .data = as_bytes(data)};
}

TEST(lt_hash, is_a_sum_over_live_accounts) {
  lt_hash a, b;
  a.add(record(1, 10, "one")), a.add(record(3, 20, "two")), a.add(record(4, 0, "deleted"));
  b.add(record(3, 20, "two"));
  lt_hash other;
  other.add(record(1, 10, "one"));
  b.add(other);
  EXPECT_EQ(a, b);
  b.subtract(record(1, 10, "one"));
  b.subtract(record(3, 20, "two"));
  EXPECT_EQ(b, lt_hash{});
  lt_hash changed;
  changed.add(record(1, 11, "one"));
  EXPECT_NE(changed, other);
  EXPECT_NE(changed.checksum(), other.checksum());
}

TEST_F(snapshots, are_verified_by_the_newest_record_of_each_account) {
  // 5,000 lamports is what the bank says that there are.
  const made_storage old{9, 1, make_storage({{1, 2, 10, "first"}, {3, 2, 30, "gone later"}})};
  const made_storage next{10, 2, make_storage({{1, 2, 11, "x"}, {1, 2, 5000, "second"}, {3, 2, 0, ""}})};
  lt_hash expected;
  expected.add(record(1, 5000, "second"));
  const auto named = "snapshot-10-" + expected.checksum().to_string() + ".tar";
  const auto good =
      verify_snapshot(file(named, make_archive(10, {next, old}, "abc", make_manifest_tail(expected.sums))));
  ASSERT_TRUE(good) << good.error().to_string();
  EXPECT_TRUE(good->holds());
  EXPECT_TRUE(good->name_agrees);
  EXPECT_EQ(good->accounts, 1u);
  EXPECT_EQ(good->lamports, 5000u);
  const auto check = [&](const std::string& archive) {
    return verify_snapshot(file("one.tar", archive)).value();
  };
  EXPECT_TRUE(check(make_archive(10, {next, old}, "abc", make_manifest_tail(expected.sums))).holds())
      << "without a name";
  auto wrong = expected;
  wrong.sums[1023] ^= 1;
  EXPECT_FALSE(check(make_archive(10, {next, old}, "abc", make_manifest_tail(wrong.sums))).holds());
  const made_storage changed{10, 2, make_storage({{1, 2, 5000, "secund"}, {3, 2, 0, ""}})};
  EXPECT_FALSE(
      check(make_archive(10, {changed, old}, "abc", make_manifest_tail(expected.sums))).manifest_agrees);
  const auto older = check(make_archive(10, {next, old}));
  EXPECT_FALSE(older.manifest_has_hash) << "a release before 2.2";
  EXPECT_FALSE(older.holds());
  const auto of_another = file("snapshot-10-" + wrong.checksum().to_string() + ".tar",
                               make_archive(10, {next, old}, "abc", make_manifest_tail(expected.sums)));
  EXPECT_FALSE(verify_snapshot(of_another)->holds());
}

TEST_F(snapshots, an_incremental_archive_is_verified_on_top_of_its_full_one) {
  const auto full =
      file("full.tar", make_archive(10, {{10, 1, make_storage({{1, 2, 1, "a"}, {3, 2, 4000, "b"}})}}));
  lt_hash expected;
  expected.add(record(1, 1000, "c"));
  expected.add(record(3, 4000, "b"));
  const auto more = file("more.tar", make_archive(11, {{11, 2, make_storage({{1, 2, 1000, "c"}})}}, "abc",
                                                  make_manifest_tail(expected.sums)));
  EXPECT_TRUE(verify_snapshot(full, {.incremental = more})->holds());
  EXPECT_EQ(verify_snapshot(more, {.incremental = full}).error().code, osvm::errc::invalid_argument);
  EXPECT_FALSE(verify_snapshot(more)->holds());
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
