// Recorded blocks of real clusters into ledgers and out again: run where OSVM_TEST_DATA names the folder that
// holds them.
#include <osvm/ledger/compare.hpp>
#include <osvm/ledger/ledger_export.hpp>
#include <osvm/ledger/ledger_writer.hpp>
#include <osvm/ledger/query.hpp>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace osvm::ledger::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

class recorded_ledger : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("OSVM_TEST_DATA");
    if (!folder || !fs::is_directory(std::string(folder) + "/blocks"))
      GTEST_SKIP() << "NOT APPLICABLE: OSVM_TEST_DATA names no folder with blocks";
    data = folder;
    char name[] = "/tmp/osvm-golden-XXXXXX";
    scratch = ::mkdtemp(name);
  }
  void TearDown() override {
    std::error_code ignored;
    if (!scratch.empty()) fs::remove_all(scratch, ignored);
  }
  ledger_writer_stats import(const std::string& from, const std::string& name, source_options options = {}) {
    auto source = open_block_source(from, options);
    EXPECT_TRUE(source) << source.error().to_string();
    auto w = ledger_writer::create(scratch + "/" + name);
    EXPECT_TRUE(w) << w.error().to_string();
    while (true) {
      auto b = (*source)->next();
      EXPECT_TRUE(b) << b.error().to_string();
      if (!b || !*b) break;
      const auto done = w->add(**b);
      EXPECT_TRUE(done) << done.error().to_string();
    }
    const auto done = w->finish();
    EXPECT_TRUE(done) << done.error().to_string();
    return w->stats();
  }
  static json::value read(const std::string& path) {
    std::ifstream in(path);
    auto v = json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
    return v.as_object().contains("result") ? v.at("result") : v;
  }
  json::value block(const std::string& name, slot_t slot, const char* encoding,
                    std::optional<std::uint8_t> max_version) const {
    block_query query;
    query.encode = {.encoding = *solana::parse_encoding(encoding),
                    .max_version = max_version,
                    .without_stack_height = !max_version};  // recorded before 1.15
    const auto store = blockstore::open(scratch + "/" + name);
    const auto text = block_json(*store, std::nullopt, slot, query);
    EXPECT_TRUE(text) << text.error().to_string();
    return text ? json::parse(*text) : json::value();
  }
  // Numbers by value, as 1.0 and 1 are one number.
  static bool same(const json::value& a, const json::value& b, std::string where) {
    if (a.is_number() && b.is_number() && (a.is_double() || b.is_double()))
      return a.to_number<double>() == b.to_number<double>();
    if (a.is_object() && b.is_object()) {
      bool ok = a.as_object().size() == b.as_object().size();
      EXPECT_TRUE(ok) << where << ": other fields";
      for (const auto& [k, v] : a.as_object()) {
        const auto* other = b.as_object().if_contains(k);
        EXPECT_TRUE(other) << where << " lacks " << k;
        ok = ok && other && same(v, *other, where + "." + std::string(k));
      }
      return ok;
    }
    if (a.is_array() && b.is_array() && a.as_array().size() == b.as_array().size()) {
      bool ok = true;
      for (std::size_t i = 0; ok && i < a.as_array().size(); ++i)
        ok = same(a.as_array()[i], b.as_array()[i], where + "[" + std::to_string(i) + "]");
      return ok;
    }
    EXPECT_EQ(a, b) << where;
    return a == b;
  }
  std::string data, scratch;
};

TEST_F(recorded_ledger, a_whole_mainnet_block_comes_out_as_it_went_in) {
  const auto path = data + "/blocks/mainnet-254170887.base64.json";
  const auto stats = import(path, "a");
  EXPECT_EQ(stats.transactions, 602U);
  EXPECT_EQ(stats.without_entries, 1U);
  EXPECT_TRUE(same(block("a", 254170887, "base64", 0), read(path), "block"));
}

TEST_F(recorded_ledger, the_same_block_from_its_encodings_makes_the_same_ledger) {
  const auto file = [&](const std::string& encoding) {
    return data + "/blocks/get_block_" + encoding + "_encoding.json";
  };
  const auto slot = read(file("json")).at("parentSlot").to_number<slot_t>() + 1;
  for (const char* encoding : {"base64", "json"}) {
    import(file(encoding), encoding, {.slot = slot});
    EXPECT_TRUE(same(block(encoding, slot, encoding, std::nullopt), read(file(encoding)), encoding));
  }
  const auto c = compare_ledgers(*blockstore::open(scratch + "/base64"), *blockstore::open(scratch + "/json"),
                                 0, ~0ULL, [](const slot_difference& d) {
                                   ADD_FAILURE() << d.what;
                                   return true;
                                 });
  ASSERT_TRUE(c);
  EXPECT_EQ(c->equal, 1U);
  auto parsed = open_block_source(file("json_parsed"), {.slot = slot});
  ASSERT_TRUE(parsed);
  const auto b = (*parsed)->next();
  ASSERT_FALSE(b);
  EXPECT_EQ(b.error().code, osvm::errc::unsupported) << b.error().to_string();
}

TEST_F(recorded_ledger, a_validator_s_ledger_exported_and_imported_is_equal) {
  const auto store = blockstore::open(data + "/ledger-solana-1.18");
  if (!store) GTEST_SKIP() << "NOT APPLICABLE: no ledger-solana-1.18";
  std::vector<std::string> lines;
  std::ofstream out(scratch + "/blocks.jsonl");
  EXPECT_TRUE(store->each_meta(0, [&](const slot_meta& m) {
    if (!m.full()) return true;
    if (auto line = export_json_line(*store, std::nullopt, m.slot)) {
      lines.push_back(*line);
      out << *line << "\n";
    }
    return true;
  }));
  out.close();
  ASSERT_GT(lines.size(), 300U);
  import(scratch + "/blocks.jsonl", "a");
  const auto ours = *blockstore::open(scratch + "/a");
  std::size_t equal = 0;
  for (const auto& line : lines) {
    const auto slot = json::parse(line).at("slot").to_number<slot_t>();
    const auto again = export_json_line(ours, std::nullopt, slot);
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_EQ(*again, line);
    equal += *again == line;
    if (slot == 0) continue;
    const auto b = *ours.read_block(slot);
    const auto meta = *ours.meta(slot);
    const auto before = ours.blockhash(*meta->parent);
    ASSERT_TRUE(before);
    EXPECT_EQ(verify_poh(*b, *before, 0, b->entries().size()), b->entries().size());
  }
  EXPECT_EQ(equal, lines.size());
}

TEST_F(recorded_ledger, a_capture_without_transactions_keeps_what_it_knows) {
  const auto path = data + "/geyser/mainnet-2026-02-05.subscribe-updates.bin";
  if (!fs::exists(path)) GTEST_SKIP() << "NOT APPLICABLE: no capture";
  const auto stats = import(path, "a");
  EXPECT_EQ(stats.blocks, 0U);
  EXPECT_GT(stats.partial, 40U);
  const auto store = blockstore::open(scratch + "/a");
  ASSERT_TRUE(store);
  const auto time = *store->block_time(398202800);
  ASSERT_TRUE(time);
  EXPECT_GT(*time, 1770000000);
  // The capture ends before that slot became final, and after others had.
  EXPECT_FALSE(*store->is_root(398202800));
  std::size_t roots = 0;
  auto it = *store->database().iterate("root");
  for (it.seek_first(); it.valid(); it.next()) ++roots;
  EXPECT_GT(roots, 10U);
  EXPECT_LT(roots, stats.partial);
}

}  // namespace
}  // namespace osvm::ledger::test
