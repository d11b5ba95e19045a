// A real test validator's ledger and real shreds: run where OSVM_TEST_DATA names the folder that holds them.
#include <osvm/ledger/blockstore.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace osvm::ledger {
namespace {

class golden : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("OSVM_TEST_DATA");
    if (!folder || !std::filesystem::is_directory(std::string(folder) + "/ledger-solana-1.18"))
      GTEST_SKIP() << "NOT APPLICABLE: OSVM_TEST_DATA names no folder with ledger-solana-1.18";
    path = std::string(folder) + "/ledger-solana-1.18";
  }
  std::string path;
};

TEST_F(golden, bounds_of_the_ledger) {
  const auto store = blockstore::open(path);
  ASSERT_TRUE(store) << store.error().to_string();
  const auto b = store->bounds();
  EXPECT_TRUE(b->last_root && b->first_root && b->highest_full);
  EXPECT_LE(*b->last_root, *b->last_confirmed);
  ASSERT_EQ(store->database().lost().size(), 1u);
  EXPECT_EQ(store->database().lost()[0].column, "code_shred");
}

TEST_F(golden, every_transaction_has_its_status_and_history_follows) {
  const auto store = blockstore::open(path);
  ASSERT_TRUE(store);
  std::size_t blocks = 0, transactions = 0;
  solana::hash before{};
  slot_t last = 0;
  const auto done = store->each_meta(0, [&](const slot_meta& m) {
    if (!m.full()) return true;
    const auto b = store->read_block(m.slot);
    EXPECT_TRUE(b) << b.error().to_string();
    if (!b) return false;
    ++blocks;
    if (blocks > 1 && m.parent == last) {
      EXPECT_EQ(verify_poh(**b, before, 0, (*b)->entries().size()), (*b)->entries().size()) << m.slot;
    }
    before = (*b)->blockhash();
    last = m.slot;
    for (const auto& tx : (*b)->transactions()) {
      ++transactions;
      EXPECT_TRUE(solana::sanitize(tx));
      EXPECT_TRUE(solana::verify_signatures(tx));
      const auto status = store->status(tx.signatures[0], m.slot);
      EXPECT_TRUE(status && *status) << m.slot;
      if (status && *status) {
        EXPECT_EQ((*status)->meta.pre_balances.size(), tx.message.keys.size());
      }
    }
    return true;
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(blocks, 338u);
  EXPECT_EQ(transactions, 336u);  // one more status is of a slot whose shreds are not all there
}

TEST_F(golden, every_address_row_leads_to_its_transaction) {
  const auto store = blockstore::open(path);
  ASSERT_TRUE(store);
  auto it = *store->database().iterate("address_signatures");
  std::size_t rows = 0;
  for (it.seek_first(); it.valid(); it.next(), ++rows) {
    solana::signature s;
    std::memcpy(s.bytes.data(), it.key().data() + 44, 64);
    const auto found = store->find_status(s, [](slot_t) { return true; });
    ASSERT_TRUE(found && *found);
  }
  EXPECT_EQ(rows, 1011u);
}

}  // namespace
}  // namespace osvm::ledger
