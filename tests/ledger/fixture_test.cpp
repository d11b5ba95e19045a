// The project's own ledger: fixture/make_fixture.mjs made its transactions with litesvm.
#include <osvm/ledger/ledger_export.hpp>
#include <osvm/ledger/ledger_writer.hpp>
#include <osvm/ledger/query.hpp>
#include <osvm/ledger/verify.hpp>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>

#include "rocksdb_support.hpp"

namespace osvm::ledger::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

const std::string fixture = OSVM_LEDGER_FIXTURE;

std::map<std::string, std::string> files_below(const fs::path& folder) {
  std::map<std::string, std::string> out;
  for (const auto& e : fs::recursive_directory_iterator(folder)) {
    if (!e.is_regular_file()) continue;
    std::ifstream in(e.path(), std::ios::binary);
    out[fs::relative(e.path(), folder).string()].assign(std::istreambuf_iterator<char>(in), {});
  }
  return out;
}

TEST(ledger_fixture, its_blocks_hold) {
  const auto store = blockstore::open(fixture + "/ledger");
  ASSERT_TRUE(store) << store.error().to_string();
  const auto g = load_genesis(fixture + "/ledger");
  ASSERT_TRUE(g) << g.error().to_string();
  std::size_t blocks = 0, transactions = 0, failed = 0, looked_up = 0;
  ASSERT_TRUE(store->each_meta(0, [&](const slot_meta& m) {
    const auto b = store->read_block(m.slot);
    EXPECT_TRUE(b) << b.error().to_string();
    if (!b) return false;
    ++blocks;
    const auto before = m.slot == 0 ? g->hash : *store->blockhash(*m.parent);
    EXPECT_EQ(verify_poh(**b, before, 0, (*b)->entries().size()), (*b)->entries().size()) << m.slot;
    for (const auto& tx : (*b)->transactions()) {
      ++transactions;
      EXPECT_TRUE(solana::sanitize(tx) && solana::verify_signatures(tx));
      const auto status = store->status(tx.signatures[0], m.slot);
      EXPECT_TRUE(status && *status);
      if (!status || !*status) return false;
      failed += (*status)->meta.err.has_value();
      looked_up += !tx.message.lookups.empty();
    }
    return true;
  }));
  EXPECT_EQ(blocks, 76U);
  EXPECT_GT(transactions, 120U);
  EXPECT_EQ(failed, 4U);
  EXPECT_EQ(looked_up, 6U);
}

TEST(ledger_fixture, is_verified_until_somebody_says_stop) {
  const auto store = blockstore::open(fixture + "/ledger");
  ASSERT_TRUE(store);
  std::vector<slot_t> seen;
  const auto all = verify_ledger(*store, {.threads = 2, .progress = [&](slot_t slot, std::uint64_t done) {
                                            EXPECT_EQ(done, seen.size());
                                            seen.push_back(slot);
                                            return true;
                                          }});
  ASSERT_TRUE(all) << all.error().to_string();
  EXPECT_EQ(all->blocks, 76U);
  EXPECT_EQ(all->problems, 0U);
  EXPECT_FALSE(all->stopped_at);
  ASSERT_EQ(seen.size(), 76U);
  const auto some =
      verify_ledger(*store, {.progress = [&](slot_t slot, std::uint64_t) { return slot < seen[5]; }});
  ASSERT_TRUE(some);
  EXPECT_EQ(some->blocks, 5U);
  EXPECT_EQ(some->stopped_at, seen[5]);
  const auto rest = verify_ledger(*store, {.from = seen[5], .to = seen[7]});
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->blocks, 3U);
}

// The same input gives the same bytes: what is committed is what the writer makes today.
TEST(ledger_fixture, importing_its_blocks_makes_it_again) {
  const temporary_folder folder;
  const auto target = folder.path() + "/ledger";
  auto source = open_block_source(fixture + "/blocks.jsonl");
  ASSERT_TRUE(source) << source.error().to_string();
  auto w = ledger_writer::create(target, {.release = ledger_release::agave_1_18});
  ASSERT_TRUE(w);
  std::ifstream in(fixture + "/ledger/genesis.bin", std::ios::binary);
  const std::string genesis(std::istreambuf_iterator<char>(in), {});
  ASSERT_TRUE(w->set_genesis(as_bytes(genesis)));
  while (true) {
    auto b = (*source)->next();
    ASSERT_TRUE(b) << b.error().to_string();
    if (!*b) break;
    ASSERT_TRUE(w->add(**b));
  }
  ASSERT_TRUE(w->finish());
  EXPECT_EQ(files_below(target), files_below(fixture + "/ledger"));
}

TEST(ledger_fixture, exporting_it_gives_its_blocks_again) {
  const auto store = *blockstore::open(fixture + "/ledger");
  const auto g = *load_genesis(fixture + "/ledger");
  std::ifstream in(fixture + "/blocks.jsonl");
  std::size_t n = 0;
  for (std::string line; std::getline(in, line); ++n) {
    const auto wanted = json::parse(line);
    const auto got = export_json_line(store, g, wanted.at("slot").to_number<slot_t>());
    ASSERT_TRUE(got) << got.error().to_string();
    EXPECT_EQ(*got, line) << n;
  }
  EXPECT_EQ(n, 76U);
}

}  // namespace
}  // namespace osvm::ledger::test
