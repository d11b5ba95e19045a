// Ledgers that we write: librocksdb reads every row as we do, and what goes in comes out again.
#include <osvm/ledger/compare.hpp>
#include <osvm/ledger/genesis_writer.hpp>
#include <osvm/ledger/ledger_export.hpp>
#include <osvm/ledger/ledger_writer.hpp>
#include <osvm/ledger/query.hpp>
#include <osvm/ledger/side_index.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/hashing.hpp>
#include <osvm/solana/poh.hpp>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include <fstream>

#include "ledger/keys.hpp"
#include "ledger/rocksdb/database_writer.hpp"
#include "rocksdb_support.hpp"
#include "sample_blocks.hpp"

namespace osvm::ledger::test {
namespace {

namespace fs = std::filesystem;

// Every row of every column as librocksdb reads it, and as we do.
std::map<std::string, rows> rows_by_oracle(const std::string& folder) {
  std::vector<std::string> names;
  must(::rocksdb::DB::ListColumnFamilies({}, folder, &names));
  std::vector<::rocksdb::ColumnFamilyDescriptor> columns;
  for (const auto& n : names) columns.emplace_back(n, ::rocksdb::ColumnFamilyOptions());
  std::vector<::rocksdb::ColumnFamilyHandle*> handles;
  ::rocksdb::DB* db = nullptr;
  ::rocksdb::Options options;
  options.paranoid_checks = true;
  must(::rocksdb::DB::OpenForReadOnly(options, folder, columns, &handles, &db));
  std::map<std::string, rows> out;
  ::rocksdb::ReadOptions verify;
  verify.verify_checksums = true;
  for (std::size_t i = 0; i < handles.size(); ++i) {
    const std::unique_ptr<::rocksdb::Iterator> it(db->NewIterator(verify, handles[i]));
    auto& to = out[names[i]];
    for (it->SeekToFirst(); it->Valid(); it->Next())
      to.emplace_back(it->key().ToString(), it->value().ToString());
    must(it->status());
  }
  for (auto* h : handles) must(db->DestroyColumnFamilyHandle(h));
  delete db;
  return out;
}

std::map<std::string, rows> rows_by_us(const std::string& folder) {
  const auto db = rocksdb::database::open(folder);
  EXPECT_TRUE(db) << db.error().to_string();
  std::map<std::string, rows> out;
  for (const auto& c : db->columns()) out[c.name] = our_rows(*db, c.name);
  return out;
}

class database_writing : public ::testing::TestWithParam<bool> {};

// Rows in random order, many runs, overwritten keys; merged or not.
TEST_P(database_writing, librocksdb_reads_every_row) {
  const temporary_folder folder;
  std::mt19937 random(7);
  std::map<std::string, std::string> wanted[2];
  auto w = rocksdb::database_writer::open(folder.path(), {"a", "b"},
                                          {.buffer = 40000, .table_size = 50000, .merge = GetParam()});
  ASSERT_TRUE(w) << w.error().to_string();
  for (int i = 0; i < 5000; ++i) {
    const auto c = random() % 2;
    const std::string key = "key-" + std::to_string(random() % 2000);
    const std::string value(random() % (i % 500 ? 200 : 70000), static_cast<char>('a' + i % 26));
    wanted[c][key] = value;
    ASSERT_TRUE(w->put(w->column(c ? "b" : "a"), key, value));
  }
  const auto done = w->finish();
  ASSERT_TRUE(done) << done.error().to_string();
  const auto theirs = rows_by_oracle(folder.path()), ours = rows_by_us(folder.path());
  EXPECT_EQ(theirs, ours);
  EXPECT_EQ(ours.at("a"), rows(wanted[0].begin(), wanted[0].end()));
  EXPECT_EQ(ours.at("b"), rows(wanted[1].begin(), wanted[1].end()));
  // Opened for writing it goes on as any database of RocksDB's.
  std::vector<::rocksdb::ColumnFamilyDescriptor> columns;
  for (const char* n : {"default", "a", "b"}) columns.emplace_back(n, ::rocksdb::ColumnFamilyOptions());
  std::vector<::rocksdb::ColumnFamilyHandle*> handles;
  ::rocksdb::DB* db = nullptr;
  must(::rocksdb::DB::Open({}, folder.path(), columns, &handles, &db));
  must(db->Put({}, handles[1], "key-new", "x"));
  must(db->Delete({}, handles[2], wanted[1].begin()->first));
  must(db->Flush({}, handles));
  must(db->CompactRange({}, handles[1], nullptr, nullptr));
  for (auto* h : handles) must(db->DestroyColumnFamilyHandle(h));
  delete db;
  wanted[0]["key-new"] = "x";
  wanted[1].erase(wanted[1].begin());
  const auto after = rows_by_us(folder.path());
  EXPECT_EQ(after.at("a"), rows(wanted[0].begin(), wanted[0].end()));
  EXPECT_EQ(after.at("b"), rows(wanted[1].begin(), wanted[1].end()));
}

TEST_P(database_writing, goes_on_after_a_commit) {
  const temporary_folder folder;
  std::map<std::string, std::string> wanted;
  for (int round = 0; round < 5; ++round) {
    auto w = rocksdb::database_writer::open(folder.path(), {"a"}, {.merge = GetParam(), .max_runs = 1});
    ASSERT_TRUE(w) << w.error().to_string();
    for (int i = 0; i < 100; ++i) {
      const auto key = std::to_string((round * 37 + i) % 250), value = std::to_string(round);
      wanted[key] = value;
      ASSERT_TRUE(w->put(w->column("a"), key, value));
    }
    ASSERT_TRUE(round % 2 ? w->finish() : w->commit());
    // What a crash would leave of the next one.
    std::ofstream(folder.path() + "/000999.sst") << "half a table";
    ASSERT_EQ(rows_by_us(folder.path()).at("a"), rows(wanted.begin(), wanted.end())) << round;
    ASSERT_EQ(rows_by_oracle(folder.path()).at("a"), rows(wanted.begin(), wanted.end())) << round;
  }
}
INSTANTIATE_TEST_SUITE_P(merged_or_not, database_writing, ::testing::Bool());

class ledger_writing : public ::testing::TestWithParam<ledger_release> {
 protected:
  std::string target() const { return folder.path() + "/ledger"; }
  void write(const std::vector<recorded_block>& blocks, std::size_t buffer = 128 << 20) {
    auto w = ledger_writer::create(target(), {.release = GetParam(), .buffer = buffer});
    ASSERT_TRUE(w) << w.error().to_string();
    for (const auto& b : blocks) {
      const auto done = w->add(b);
      ASSERT_TRUE(done) << done.error().to_string();
    }
    ASSERT_FALSE(fs::exists(target()));
    const auto done = w->finish();
    ASSERT_TRUE(done) << done.error().to_string();
  }
  temporary_folder folder;
};

TEST_P(ledger_writing, what_goes_in_comes_out) {
  const auto blocks = sample_blocks(40);
  write(blocks, 64 << 10);
  EXPECT_EQ(rows_by_oracle(target() + "/rocksdb"), rows_by_us(target() + "/rocksdb"));
  const auto store = blockstore::open(target());
  ASSERT_TRUE(store) << store.error().to_string();
  EXPECT_EQ(store->bounds()->last_root, blocks.back().slot);
  for (const auto& b : blocks) {
    const auto got = read_recorded_block(*store, b.slot);
    ASSERT_TRUE(got) << got.error().to_string();
    ASSERT_TRUE(same_block(*got, b)) << b.slot;
    const auto meta = *store->meta(b.slot);
    ASSERT_TRUE(meta && meta->full() && !meta->completed_indexes.empty());
    EXPECT_EQ(meta->completed_indexes.back(), *meta->last_index);
    const auto made = *store->read_block(b.slot);
    if (!b.entries.empty()) {
      EXPECT_EQ(verify_poh(*made, b.previous_blockhash.value_or(solana::hash{}), 0, made->entries().size()),
                made->entries().size());
    }
    EXPECT_EQ(has_proof(*made), !b.entries.empty());
  }
  // The Merkle proofs of each erasure set lead to one root.
  auto it = *store->database().iterate("data_shred");
  std::map<std::pair<slot_t, std::uint32_t>, solana::hash> roots;
  for (it.seek_first(); it.valid(); it.next()) {
    const auto s = parse_shred(it.value().bytes());
    const auto root = merkle_root(it.value().bytes());
    ASSERT_TRUE(s && root);
    EXPECT_EQ(s->kind, shred_kind::merkle_chained);
    EXPECT_EQ(roots.try_emplace({s->slot, s->fec_set_index}, *root).first->second, *root);
  }
}

TEST_P(ledger_writing, the_order_of_blocks_does_not_matter) {
  auto blocks = sample_blocks(12);
  write(blocks);
  const auto first = rows_by_us(target() + "/rocksdb");
  fs::rename(target(), folder.path() + "/first");
  std::reverse(blocks.begin(), blocks.end());
  write(blocks);
  auto second = rows_by_us(target() + "/rocksdb");
  auto without_shreds = first;
  second.erase("data_shred"), without_shreds.erase("data_shred");  // sets chain only to what was there before
  EXPECT_EQ(without_shreds, second);
  const auto a = *blockstore::open(folder.path() + "/first"), b = *blockstore::open(target());
  const auto c = compare_ledgers(a, b, 0, ~0ULL, [](const slot_difference& d) {
    ADD_FAILURE() << d.slot << ": " << d.what;
    return true;
  });
  ASSERT_TRUE(c);
  EXPECT_EQ(c->equal, 12U);
}
INSTANTIATE_TEST_SUITE_P(releases, ledger_writing,
                         ::testing::Values(ledger_release::agave_1_18, ledger_release::agave_2_2,
                                           ledger_release::agave_3_1));

class round_trip : public ::testing::Test {
 protected:
  std::string at(const char* name) const { return folder.path() + "/" + name; }
  void write(const char* name, const std::vector<recorded_block>& blocks) {
    auto w = ledger_writer::create(at(name));
    ASSERT_TRUE(w) << w.error().to_string();
    for (const auto& b : blocks) {
      const auto done = w->add(b);
      ASSERT_TRUE(done) << done.error().to_string();
    }
    ASSERT_TRUE(w->finish());
  }
  std::vector<recorded_block> read(const std::string& path) {
    auto source = open_block_source(path);
    EXPECT_TRUE(source) << source.error().to_string();
    std::vector<recorded_block> out;
    while (source) {
      auto b = (*source)->next();
      EXPECT_TRUE(b) << b.error().to_string();
      if (!b || !*b) break;
      out.push_back(std::move(**b));
    }
    return out;
  }
  // librocksdb takes columns' rows away, as validators without history never write them; or one row.
  void take_away(const char* name, const std::set<std::string>& columns, const std::string& key = {}) {
    const auto path = at(name) + "/rocksdb";
    std::vector<std::string> names;
    must(::rocksdb::DB::ListColumnFamilies({}, path, &names));
    std::vector<::rocksdb::ColumnFamilyDescriptor> all;
    for (const auto& n : names) all.emplace_back(n, ::rocksdb::ColumnFamilyOptions());
    std::vector<::rocksdb::ColumnFamilyHandle*> handles;
    ::rocksdb::DB* db = nullptr;
    must(::rocksdb::DB::Open({}, path, all, &handles, &db));
    for (std::size_t i = 0; i < names.size(); ++i)
      if (columns.contains(names[i]))
        must(key.empty() ? db->DeleteRange({}, handles[i], std::string(1, '\0'), std::string(120, '\xff'))
                         : db->Delete({}, handles[i], key));
    for (auto* h : handles) must(db->DestroyColumnFamilyHandle(h));
    delete db;
  }
  // What `next` says of the file at last.
  static result<> read_to_end(const std::string& path) {
    OSVM_TRY(const auto source, open_block_source(path));
    while (true) {
      OSVM_TRY(const auto b, source->next());
      if (!b) return {};
    }
  }
  temporary_folder folder;
};

TEST_F(round_trip, json_lines) {
  const auto blocks = sample_blocks(10);
  write("a", blocks);
  const auto store = *blockstore::open(at("a"));
  std::ofstream out(at("blocks.jsonl"));
  for (const auto& b : blocks) {
    const auto line = export_json_line(store, std::nullopt, b.slot);
    ASSERT_TRUE(line) << line.error().to_string();
    out << *line << "\n";
  }
  out.close();
  const auto again = read(at("blocks.jsonl"));
  ASSERT_EQ(again.size(), blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) EXPECT_TRUE(same_block(again[i], blocks[i])) << i;
  write("b", again);
  const auto other = *blockstore::open(at("b"));
  for (const auto& b : blocks)
    EXPECT_EQ(*export_json_line(other, std::nullopt, b.slot), *export_json_line(store, std::nullopt, b.slot));
}

TEST_F(round_trip, protobuf_files) {
  auto blocks = sample_blocks(10);
  for (auto& b : blocks) b.entries.clear();  // the format has none
  write("a", blocks);
  const auto store = *blockstore::open(at("a"));
  fs::create_directory(at("blocks"));
  for (const auto& b : blocks) {
    const auto message = encode_protobuf_block(*read_recorded_block(store, b.slot));
    ASSERT_TRUE(message) << message.error().to_string();
    std::ofstream(at("blocks/") + std::to_string(b.slot) + ".pb", std::ios::binary) << *message;
  }
  const auto again = read(at("blocks"));
  ASSERT_EQ(again.size(), blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) EXPECT_TRUE(same_block(again[i], blocks[i])) << i;
}

TEST_F(round_trip, an_archive_of_old_faithful) {
  const auto blocks = sample_blocks(10, true);
  std::ofstream(at("epoch.car"), std::ios::binary) << car_of(blocks);
  auto again = read(at("epoch.car"));
  ASSERT_EQ(again.size(), blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    auto wanted = blocks[i];
    wanted.previous_blockhash.reset();  // an archive has only the blocks' own hashes
    again[i].previous_blockhash.reset();
    EXPECT_TRUE(same_block(again[i], wanted)) << i;
  }
  write("a", again);
  const auto store = *blockstore::open(at("a"));
  for (auto wanted : blocks) {
    if (wanted.slot == sample_slot(0)) wanted.previous_blockhash.reset();
    EXPECT_TRUE(same_block(*read_recorded_block(store, wanted.slot), wanted)) << wanted.slot;
  }
}

TEST_F(round_trip, a_damaged_archive_is_refused) {
  auto bytes = car_of(sample_blocks(3, true));
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(at("epoch.car"), std::ios::binary) << bytes;
  auto source = open_block_source(at("epoch.car"));
  ASSERT_TRUE(source);
  bool failed = false;
  for (int i = 0; i < 4 && !failed; ++i) failed = !(*source)->next();
  EXPECT_TRUE(failed);
}

TEST_F(round_trip, a_damaged_block_of_an_archive_is_refused) {
  const auto blocks = sample_blocks(2, true);
  auto bytes = car_of({blocks[0]});
  const auto end = bytes.size();
  bytes = car_of(blocks);
  for (const std::size_t back : {38U, 40U, 60U}) {  // in the block's own node, the last one
    auto other = bytes;
    other[end - back] ^= 1;
    std::ofstream(at("epoch.car"), std::ios::binary) << other;
    const auto done = read_to_end(at("epoch.car"));
    ASSERT_FALSE(done) << back;
    EXPECT_EQ(done.error().code, osvm::errc::malformed) << done.error().to_string();
  }
}

// 60 frames, each linked to twice by the next: 2^60 visits.
TEST_F(round_trip, frames_that_share_children_are_bounded) {
  car_writer w;
  std::string below;
  for (int i = 0; i < 60; ++i) {
    cbor f;
    f.list(6).number(6).null().null().null().bytes("").list(below.empty() ? 0 : 2);
    if (!below.empty()) f.link(below).link(below);
    below = w.add(f.out);
  }
  cbor tx;
  tx.list(5).number(0);
  tx.list(6).number(6).null().null().null().bytes("").list(1).link(below);
  tx.list(6).number(6).null().null().null().bytes("").list(0);
  tx.number(100).number(0);
  w.block_of({w.add(tx.out)});
  std::ofstream(at("epoch.car"), std::ios::binary) << w.out;
  const auto done = read_to_end(at("epoch.car"));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, osvm::errc::limit_exceeded) << done.error().to_string();
}

TEST_F(round_trip, a_status_linked_to_again_and_again_is_bounded) {
  std::string meta;
  builder(meta).bytes(6, std::string(32 << 20, 'x'));  // a log message
  std::string packed(ZSTD_compressBound(meta.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), meta.data(), meta.size(), 1));
  car_writer w;
  cbor tx;
  tx.list(5).number(0);
  tx.list(6).number(6).null().null().null().bytes(sample_transaction(100, 0, false).wire).list(0);
  tx.list(6).number(6).null().null().null().bytes(packed).list(0);
  tx.number(100).number(0);
  w.block_of(std::vector<std::string>(40, w.add(tx.out)));  // 1.25 GiB
  std::ofstream(at("epoch.car"), std::ios::binary) << w.out;
  const auto done = read_to_end(at("epoch.car"));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, osvm::errc::limit_exceeded) << done.error().to_string();
}

TEST_F(round_trip, forks_of_a_stream_are_left_out) {
  auto blocks = sample_blocks(10, true);
  auto all = blocks;
  auto fork = blocks[2];
  fork.slot = 103;  // skipped by the others
  fork.parent = blocks[1].slot;
  ASSERT_EQ(blocks[3].slot, 104U);
  all.insert(all.begin() + 3, fork);
  for (const bool final : {false, true}) {
    auto bytes = geyser_of(all);
    if (final) bytes += geyser_status(blocks[7].slot, blocks[6].slot, 2);
    std::ofstream(at("stream.bin"), std::ios::binary) << bytes;
    const auto again = read(at("stream.bin"));
    ASSERT_EQ(again.size(), blocks.size());
    for (std::size_t i = 0; i < again.size(); ++i) {
      EXPECT_TRUE(same_block(again[i], blocks[i])) << i;
      EXPECT_EQ(again[i].final, !final || i <= 7) << "those above the final one are not called final";
    }
    const char* const name = final ? "known" : "unknown";
    write(name, again);
    const auto store = *blockstore::open(at(name));
    for (std::size_t i = 0; i < again.size(); ++i)
      EXPECT_EQ(*store.is_root(again[i].slot), again[i].final) << i;
  }
}

TEST_F(round_trip, a_geyser_capture) {
  const auto blocks = sample_blocks(10, true);
  std::ofstream(at("stream.bin"), std::ios::binary) << geyser_of(blocks);
  const auto again = read(at("stream.bin"));
  ASSERT_EQ(again.size(), blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) EXPECT_TRUE(same_block(again[i], blocks[i])) << i;
}

TEST_F(round_trip, what_contradicts_itself_is_refused) {
  const auto blocks = sample_blocks(3);
  auto w = ledger_writer::create(at("a"));
  ASSERT_TRUE(w && w->add(blocks[0]) && w->add(blocks[1]));
  EXPECT_FALSE(w->add(blocks[1])) << "a slot twice";
  auto fork = blocks[2];
  fork.previous_blockhash = solana::sha256(as_bytes("other"));
  EXPECT_FALSE(w->add(fork));
  {  // they meet at a parent that is not there
    auto v = ledger_writer::create(at("b"));
    auto sibling = blocks[1];
    sibling.parent = blocks[0].parent;
    ASSERT_TRUE(v && v->add(blocks[0]));
    EXPECT_FALSE(v->add(sibling));
    sibling.previous_blockhash = blocks[0].previous_blockhash;
    EXPECT_TRUE(v->add(sibling));
  }
  auto late = blocks[2];
  late.parent = late.slot + 1;
  EXPECT_FALSE(w->add(late));
  auto counts = blocks[2];
  counts.entries = {{1, counts.blockhash, 70000}};
  EXPECT_FALSE(w->add(counts));
  auto garbage = blocks[2];
  ASSERT_FALSE(garbage.transactions.empty());
  garbage.transactions[0].wire = "garbage";
  garbage.entries.clear();
  EXPECT_FALSE(w->add(garbage));
}

TEST_F(round_trip, differences_are_named) {
  auto blocks = sample_blocks(6);
  write("a", blocks);
  blocks[2].time = 5;
  ASSERT_GT(blocks[3].transactions.size(), 1U);
  blocks[4].entries.clear();
  std::swap(blocks[3].transactions[0], blocks[3].transactions[1]);
  blocks.pop_back();
  write("b", blocks);
  std::vector<std::string> found;
  const auto c = compare_ledgers(*blockstore::open(at("a")), *blockstore::open(at("b")), 0, ~0ULL,
                                 [&](const slot_difference& d) {
                                   found.push_back(std::to_string(d.slot) + " " + d.what);
                                   return true;
                                 });
  ASSERT_TRUE(c);
  const auto s = [&](std::size_t i) { return std::to_string(sample_slot(i)) + " "; };
  EXPECT_EQ(found,
            (std::vector<std::string>{s(2) + "time " + std::to_string(*sample_blocks(6)[2].time) + ", not 5",
                                      s(3) + "transaction 0: another one",
                                      s(3) + "transaction 1: another one", s(5) + "only in the first"}));
  EXPECT_EQ(c->equal, 3U);
  EXPECT_EQ(c->only_first, 1U);
  EXPECT_EQ(c->without_proof, 1U);
}

TEST_F(round_trip, what_neither_ledger_can_read_is_not_equal) {
  const auto blocks = sample_blocks(4);
  for (const char* name : {"a", "b"}) {
    write(name, blocks);
    take_away(name, {"data_shred"}, keys::shred(blocks[2].slot, 0));
  }
  const auto c = compare_ledgers(*blockstore::open(at("a")), *blockstore::open(at("b")), 0, ~0ULL,
                                 [&](const slot_difference&) { return true; });
  ASSERT_TRUE(c);
  EXPECT_EQ(c->slots, 4U);
  EXPECT_EQ(c->equal, 3U);
  EXPECT_EQ(c->unreadable, 1U);
}

TEST_F(round_trip, no_half_ledger_is_left) {
  const auto blocks = sample_blocks(2);
  {
    auto w = ledger_writer::create(at("a"));
    ASSERT_TRUE(w && w->add(blocks[0]));
    EXPECT_EQ(ledger_writer::create(at("a")).error().code, osvm::errc::busy);
  }
  EXPECT_TRUE(fs::is_empty(folder.path())) << "given up";
  // Killed: the hidden folder stays, nothing under the ledger's name; the next writer removes it.
  const auto child = ::fork();
  if (child == 0) {
    auto w = ledger_writer::create(at("a"), {.buffer = 1});
    if (!w || !w->add(blocks[0]) || !w->add(blocks[1])) ::_exit(1);
    ::raise(SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(fs::exists(at("a")));
  EXPECT_TRUE(fs::exists(at(".a.part")));
  write("a", blocks);
  EXPECT_FALSE(fs::exists(at(".a.part")));
  EXPECT_EQ(ledger_writer::create(at("a")).error().code, osvm::errc::busy) << "it is there already";
}

TEST_F(round_trip, a_full_disk_is_an_error_and_leaves_nothing) {
  const auto blocks = sample_blocks(20);
  const auto child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const ::rlimit limit{30000, 30000};  // no file may grow past it: writing fails in the middle
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto w = ledger_writer::create(at("a"), {.buffer = 1 << 20});
    if (!w) ::_exit(1);
    for (const auto& b : blocks)
      if (const auto done = w->add(b); !done)
        ::_exit(done.error().code == boost::system::errc::file_too_large ? 0 : 2);
    const auto done = w->finish();
    w = result<ledger_writer>(error(osvm::errc::closed));
    ::_exit(!done && done.error().code == boost::system::errc::file_too_large ? 0 : 3);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(fs::exists(at("a")));
  EXPECT_FALSE(fs::exists(at(".a.part")));
}

TEST(genesis, ours_is_read_back_and_begins_a_chain) {
  const auto bytes = encode_genesis(
      {.creation_time = 1700000000, .ticks_per_slot = 8, .hashes_per_tick = 4, .slots_per_epoch = 64});
  const auto g = parse_genesis(as_bytes(bytes));
  ASSERT_TRUE(g) << g.error().to_string();
  EXPECT_EQ(g->creation_time, 1700000000);
  EXPECT_EQ(g->ticks_per_slot, 8U);
  EXPECT_EQ(g->hashes_per_tick, 4U);
  EXPECT_EQ(g->schedule.slots_per_epoch, 64U);
  EXPECT_EQ(genesis_block(*g).blockhash, solana::poh_ticks(g->hash, 32));
}

class indexed : public round_trip {
 protected:
  static std::string first_signature(const recorded_block& b, std::size_t i) {
    return b.transactions[i].wire.substr(1, 64);
  }
};

TEST_F(indexed, answers_equal_those_without_it) {
  const auto blocks = sample_blocks(30);
  write("a", blocks);
  const auto plain = *blockstore::open(at("a"));
  std::uint64_t last = 0;
  const auto stats = build_side_index(plain, at("index"),
                                      {.addresses = index_addresses::all,
                                       .slots_at_once = 7,
                                       .progress = [&](std::uint64_t n, std::uint64_t of) {
                                         EXPECT_EQ(of, 31U);
                                         last = n;
                                         return true;
                                       }});
  ASSERT_TRUE(stats) << stats.error().to_string();
  EXPECT_EQ(stats->slots, 31U) << "with the slot of the first block's parent";
  EXPECT_EQ(last, 31U);
  auto index = side_index::open(at("index"));
  ASSERT_TRUE(index) << index.error().to_string();
  blockstore_options options;
  options.index = std::make_shared<const side_index>(std::move(*index));
  const auto fast = *blockstore::open(at("a"), options);
  block_query query;
  query.encode.max_version = 0;
  for (const auto& b : blocks)
    for (std::size_t i = 0; i < b.transactions.size(); ++i) {
      const auto s = *solana::signature::read(as_bytes(first_signature(b, i)));
      const auto place = options.index->find(s, b.slot);
      ASSERT_TRUE(place && *place);
      EXPECT_EQ((*place)->index, i);
      const auto alone = fast.locate(s, b.slot);
      ASSERT_TRUE(alone && *alone);
      EXPECT_EQ(*(*alone)->wire, b.transactions[i].wire);
      EXPECT_EQ(*transaction_json(fast, std::nullopt, s, query),
                *transaction_json(plain, std::nullopt, s, query));
    }
  EXPECT_EQ(rows_by_oracle(at("index")), rows_by_us(at("index")));
  const auto again = build_side_index(plain, at("index"));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->slots, 0U);
  EXPECT_EQ(again->known, 31U);
}

TEST_F(indexed, histories_that_the_ledger_lacks) {
  const auto blocks = sample_blocks(20);
  write("full", blocks);
  write("a", blocks);
  take_away("a", {"address_signatures"});
  const auto full = *blockstore::open(at("full"));
  ASSERT_TRUE(build_side_index(*blockstore::open(at("a")), at("index")));
  blockstore_options options;
  options.index = std::make_shared<const side_index>(*side_index::open(at("index")));
  const auto bare = *blockstore::open(at("a"), options), blind = *blockstore::open(at("a"));
  std::size_t rows_seen = 0;
  for (const auto& address : sample_addresses(blocks)) {
    for (const std::size_t limit : {std::size_t{1000}, std::size_t{3}}) {
      const signatures_query q{.limit = limit};
      const auto wanted = signatures_json(full, std::nullopt, address, q),
                 got = signatures_json(bare, std::nullopt, address, q);
      ASSERT_TRUE(wanted && got);
      EXPECT_EQ(*got, *wanted);
      rows_seen += wanted->size() > 2;
    }
    EXPECT_EQ(*signatures_json(blind, std::nullopt, address, {}), "[]");
  }
  EXPECT_GT(rows_seen, 3U);
}

// Pages are found by the index alone; but whether a transaction succeeded, only its status tells.
TEST_F(indexed, without_statuses_nothing_is_called_a_success) {
  const auto blocks = sample_blocks(20);
  write("full", blocks);
  write("a", blocks);
  ASSERT_TRUE(build_side_index(*blockstore::open(at("a")), at("index"), {.addresses = index_addresses::all}));
  take_away("a", {"address_signatures", "transaction_status"});
  blockstore_options options;
  options.index = std::make_shared<const side_index>(*side_index::open(at("index")));
  const auto full = *blockstore::open(at("full")), bare = *blockstore::open(at("a"), options);
  const auto payer = *solana::pubkey::read(as_bytes(made_up("payer0")));
  const auto refused = signatures_json(bare, std::nullopt, payer, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::incomplete) << refused.error().to_string();
  const auto oldest = *solana::signature::read(as_bytes(first_signature(blocks[0], 0)));
  const auto newest = *solana::signature::read(as_bytes(first_signature(blocks[18], 0)));
  for (const signatures_query& q :
       {signatures_query{.before = oldest}, signatures_query{.until = newest}}) {  // nothing lies beyond
    const auto wanted = signatures_json(full, std::nullopt, payer, q),
               got = signatures_json(bare, std::nullopt, payer, q);
    ASSERT_TRUE(wanted);
    ASSERT_EQ(wanted->size() > 2, q.until.has_value());
    if (q.before) {
      ASSERT_TRUE(got) << got.error().to_string();
      EXPECT_EQ(*got, *wanted);
    } else {
      EXPECT_FALSE(got);
    }
  }
  std::vector<solana::signature> seen;
  ASSERT_TRUE(bare.signatures_of(payer, ~0ULL, [&](const address_signature& row) {
    seen.push_back(row.signature);
    return true;
  }));
  ASSERT_FALSE(seen.empty());
  const auto got = signatures_json(bare, std::nullopt, payer, {.until = seen.front()});
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_EQ(*got, "[]") << "nothing is newer than the newest";
}

TEST_F(indexed, another_chain_s_index_is_not_believed_and_is_replaced) {
  auto blocks = sample_blocks(20);
  write("a", blocks);
  ASSERT_TRUE(build_side_index(*blockstore::open(at("a")), at("index"), {.addresses = index_addresses::all}));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    blocks[i].entries.clear();
    blocks[i].transactions.clear();
    blocks[i].blockhash = solana::sha256(as_bytes("other block " + std::to_string(i)));
    if (i) blocks[i].previous_blockhash = blocks[i - 1].blockhash;
  }
  blocks[19].transactions = {sample_transaction(blocks[19].slot, 50, false)};
  write("b", blocks);
  take_away("b", {"address_signatures"});
  const auto payer = *solana::pubkey::read(as_bytes(made_up("payer2")));  // 50 % 3
  const auto history = [&] {
    blockstore_options options;
    options.index = std::make_shared<const side_index>(*side_index::open(at("index")));
    return signatures_json(*blockstore::open(at("b"), options), std::nullopt, payer, {});
  };
  const auto before = history();
  ASSERT_TRUE(before) << before.error().to_string();
  EXPECT_EQ(*before, "[]") << "rows of transactions that this ledger has not";
  const auto again = build_side_index(*blockstore::open(at("b")), at("index"));
  ASSERT_TRUE(again);
  EXPECT_GE(again->slots, 20U);
  const auto after = history();
  ASSERT_TRUE(after) << after.error().to_string();
  const auto mine = *solana::signature::read(as_bytes(first_signature(blocks[19], 0)));
  EXPECT_NE(after->find(mine.to_string()), after->npos);
}

TEST_F(indexed, addresses_are_added_to_slots_indexed_without) {
  write("a", sample_blocks(10));
  const auto store = *blockstore::open(at("a"));
  const auto add = [&](index_addresses which) {
    const auto s = build_side_index(store, at("index"), {.addresses = which});
    EXPECT_TRUE(s);
    return s ? s->addresses : ~0ULL;
  };
  EXPECT_EQ(add(index_addresses::none), 0U);
  EXPECT_EQ(add(index_addresses::missing), 0U) << "the ledger has them itself";
  EXPECT_GT(add(index_addresses::all), 0U);
  EXPECT_EQ(add(index_addresses::all), 0U);
}

// Rows on disk, no CURRENT yet.
TEST_F(indexed, a_build_killed_before_its_first_commit_is_begun_anew) {
  write("a", sample_blocks(10));
  const auto child = ::fork();
  if (child == 0) {
    const auto store = blockstore::open(at("a"));
    (void)build_side_index(*store, at("index"), {.buffer = 1, .progress = [](std::uint64_t n, std::uint64_t) {
                                                   if (n == 5) ::raise(SIGKILL);
                                                   return true;
                                                 }});
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  ASSERT_FALSE(fs::is_empty(at("index")));
  ASSERT_FALSE(fs::exists(at("index/CURRENT")));
  const auto stats = build_side_index(*blockstore::open(at("a")), at("index"));
  ASSERT_TRUE(stats) << stats.error().to_string();
  EXPECT_EQ(stats->slots, 11U);
  fs::create_directory(at("other"));
  std::ofstream(at("other/000001.sst")) << "x";
  std::ofstream(at("other/OPTIONS-000002")) << "x";
  EXPECT_FALSE(build_side_index(*blockstore::open(at("a")), at("other"))) << "a database that is damaged";
  EXPECT_TRUE(fs::exists(at("other/000001.sst")));
}

TEST_F(indexed, a_killed_build_goes_on) {
  const auto blocks = sample_blocks(30);
  write("a", blocks);
  const auto child = ::fork();
  if (child == 0) {
    const auto store = blockstore::open(at("a"));
    (void)build_side_index(*store, at("index"),
                           {.slots_at_once = 5, .progress = [](std::uint64_t n, std::uint64_t) {
                              if (n == 17) ::raise(SIGKILL);
                              return true;
                            }});
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  const auto store = *blockstore::open(at("a"));
  const auto stats = build_side_index(store, at("index"));
  ASSERT_TRUE(stats) << stats.error().to_string();
  EXPECT_EQ(stats->known, 15U);
  EXPECT_EQ(stats->slots, 16U);
  const auto index = *side_index::open(at("index"));
  for (const auto& b : blocks) {
    EXPECT_TRUE(*index.covers(b.slot));
    for (std::size_t i = 0; i < b.transactions.size(); ++i)
      EXPECT_TRUE(index.find(*solana::signature::read(as_bytes(first_signature(b, i))), b.slot)->has_value());
  }
  EXPECT_FALSE(build_side_index(store, at("a/rocksdb"))) << "never into a ledger";
}

}  // namespace
}  // namespace osvm::ledger::test
