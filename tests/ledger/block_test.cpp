#include <osvm/ledger/block.hpp>
#include <osvm/ledger/error.hpp>
#include <osvm/solana/hashing.hpp>

#include <gtest/gtest.h>

#include <random>

namespace osvm::ledger {
namespace {

template <class T>
void put_number(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

// A minimal transaction: one signature, one key.
std::string transaction(char mark) {
  return "\x01" + std::string(64, mark) + std::string("\x01\x00\x00\x01", 4) + std::string(32, 'k') +
         std::string(32, 'h') + std::string(1, '\0');
}

// Entries that follow each other: a tick, one with two transactions, a tick.
std::string batch(solana::hash at, solana::hash& end) {
  std::string out;
  put_number<std::uint64_t>(out, 3);
  auto entry = [&](std::uint64_t hashes, const std::vector<std::string>& txs) {
    put_number<std::uint64_t>(out, hashes);
    out.append(reinterpret_cast<const char*>(at.data()), 32);
    put_number<std::uint64_t>(out, txs.size());
    for (const auto& t : txs) out += t;
  };
  at = solana::poh_ticks(at, 5);
  entry(5, {});
  std::vector<solana::signature> signatures(2);
  signatures[0].bytes.fill('a');
  signatures[1].bytes.fill('b');
  at = solana::poh_ticks(at, 2);
  at = solana::sha256({at.view(), solana::signatures_root(signatures).view()});
  entry(3, {transaction('a'), transaction('b')});
  at = solana::poh_ticks(at, 1);
  entry(1, {});
  end = at;
  return out;
}

struct shred_options {
  std::uint8_t variant = 0x86;
  std::size_t payload = 100;
  bool genesis = false;
};

std::vector<std::string> cut(const std::string& bytes, slot_t slot, shred_options o,
                             const std::vector<std::size_t>& batch_ends) {
  std::vector<std::string> out;
  std::size_t from = 0;
  for (const auto end : batch_ends) {
    while (from < end) {
      const auto n = std::min(o.payload, end - from);
      std::string s(64, 's');
      s.push_back(static_cast<char>(o.variant));
      put_number<std::uint64_t>(s, slot);
      put_number<std::uint32_t>(s, static_cast<std::uint32_t>(out.size()));
      put_number<std::uint16_t>(s, 1);
      put_number<std::uint32_t>(s, 0);
      put_number<std::uint16_t>(s, 2);
      const bool last_of_batch = from + n == end, last = last_of_batch && end == bytes.size();
      put_number<std::uint8_t>(s, last ? 0xc0 : last_of_batch ? 0x40 : 0);
      if (!o.genesis) put_number<std::uint16_t>(s, static_cast<std::uint16_t>(88 + n));
      s += bytes.substr(from, n);
      if (o.variant != 0xa5) s.resize(1203);
      if (o.genesis) s.resize(86 + 1057 + 85);
      out.push_back(std::move(s));
      from += n;
    }
  }
  return out;
}

std::vector<bytes_view> views(const std::vector<std::string>& v) {
  std::vector<bytes_view> out;
  for (const auto& s : v) out.push_back(as_bytes(s));
  return out;
}

TEST(block, is_put_together_from_shreds_of_every_kind) {
  solana::hash start = solana::sha256(as_bytes("start")), middle, end;
  std::string bytes = batch(start, middle);
  const auto first = bytes.size();
  bytes += batch(middle, end) + std::string(37, '\0');  // trailing zeros are legal
  for (const std::uint8_t variant : {0xa5, 0x86, 0x96, 0xb6}) {
    const auto shreds = cut(bytes, 500, {.variant = variant}, {first, bytes.size()});
    const auto b = block::build(views(shreds));
    ASSERT_TRUE(b) << b.error().to_string();
    EXPECT_EQ(b->entries().size(), 6u);
    EXPECT_EQ(b->transactions().size(), 4u);
    EXPECT_EQ(b->parent(), 498u);
    EXPECT_EQ(b->blockhash(), end);
    EXPECT_EQ(verify_poh(*b, start, 0, 6), 6u);
    EXPECT_EQ(verify_poh(*b, middle, 0, 6), 0u);
    EXPECT_EQ(b->wire(2).size(), transaction('a').size());
  }
}

TEST(block, genesis_era_shreds_have_no_size_field) {
  solana::hash start{}, end;
  const auto bytes = batch(start, end);
  const auto shreds = cut(bytes, 0, {.variant = 0xa5, .payload = 1057, .genesis = true}, {bytes.size()});
  const auto b = block::build(views(shreds));
  ASSERT_TRUE(b) << b.error().to_string();
  EXPECT_TRUE(b->genesis_layout());
  EXPECT_EQ(b->blockhash(), end);
}

TEST(block, markers_and_empty_batches_hold_no_entries) {
  solana::hash start{}, end;
  const std::string marker = std::string(8, '\0') + "marker of a later release";
  const auto bytes = marker + batch(start, end);
  const auto shreds = cut(bytes, 9, {}, {marker.size(), bytes.size()});
  const auto b = block::build(views(shreds));
  ASSERT_TRUE(b);
  EXPECT_EQ(b->entries().size(), 3u);
}

TEST(block, missing_and_misplaced_shreds_are_named) {
  solana::hash end;
  const auto bytes = batch({}, end);
  auto shreds = cut(bytes, 9, {}, {bytes.size()});
  auto all = views(shreds);
  EXPECT_EQ(block::build({all.data(), all.size() - 1}).error().code, errc::incomplete);
  std::swap(all[0], all[1]);
  EXPECT_EQ(block::build(all).error().code, errc::corrupt);
  EXPECT_EQ(block::build({}).error().code, errc::incomplete);
  EXPECT_EQ(block::build(views(shreds), {.max_shreds = 2}).error().code, osvm::errc::limit_exceeded);
}

TEST(block, hostile_counts_and_flipped_bytes_stay_bounded) {
  solana::hash end;
  const auto good = batch({}, end);
  std::mt19937 random(5);
  for (int i = 0; i < 3000; ++i) {
    auto bytes = good;
    for (int k = 0; k < 3; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (i % 4 == 0) bytes.resize(random() % bytes.size());
    const auto b = block::from_batch(bytes);
    if (b) {
      EXPECT_LE(b->transactions().size(), 10u);
    }
  }
  std::string many;
  put_number<std::uint64_t>(many, 1ULL << 60);
  EXPECT_EQ(block::from_batch(many + std::string(100, 'x')).error().code, errc::corrupt);
}

TEST(shred, refuses_what_was_never_written) {
  std::string s(1203, '\0');
  EXPECT_FALSE(parse_shred(as_bytes(s)));  // variant 0
  s[64] = '\x86';
  EXPECT_FALSE(parse_shred(as_bytes(s)));  // size 0
  s[86] = '\x58';
  EXPECT_TRUE(parse_shred(as_bytes(s)));
  s[87] = '\x7f';
  EXPECT_FALSE(parse_shred(as_bytes(s)));
  for (std::size_t n = 0; n < 88; ++n) EXPECT_FALSE(parse_shred(as_bytes(std::string_view(s).substr(0, n))));
}

}  // namespace
}  // namespace osvm::ledger
