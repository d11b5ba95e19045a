// Our reader beside a librocksdb process that writes, flushes, compacts and deletes all the time.
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>

#include "rocksdb_support.hpp"

namespace osvm::ledger::test {
namespace {

constexpr std::uint64_t key_count = 300;

constexpr int opens = 1000;

struct shared_state {
  std::atomic<std::uint64_t> committed{0};
  std::atomic<bool> stop{false};
};

// Write n sets key n % key_count to n. The writer stops when told or when its parent is gone.
[[noreturn]] void write_for_ever(const std::string& path, shared_state& state) {
  try {
    ::rocksdb::Options options;
    options.write_buffer_size = 64 << 10;
    options.target_file_size_base = 32 << 10;
    options.max_bytes_for_level_base = 128 << 10;
    options.level0_file_num_compaction_trigger = 2;
    options.delete_obsolete_files_period_micros = 0;
    oracle o(path, options);
    for (std::uint64_t n = 1; !state.stop && ::getppid() != 1; ++n) {
      const auto key = fmt::format("key-{:06}", n % key_count);
      if (!o.db().Put({}, o.column(0), key, fmt::format("{} {}", n, std::string(n % 200, '.'))).ok()) break;
      if (!o.db().Put({}, o.column(1), fmt::format("gone-{:09}", n), "x").ok()) break;
      if (n > 50 && !o.db().Delete({}, o.column(1), fmt::format("gone-{:09}", n - 50)).ok()) break;
      state.committed = n;
      if (n % 4000 == 0) (void)o.db().Flush({}, o.column(0));
      if (n % 9000 == 0) (void)o.db().CompactRange({}, o.column(0), nullptr, nullptr);
    }
    o.close();
  } catch (...) {
    ::_exit(3);
  }
  ::_exit(0);
}

class beside_a_writer : public ::testing::Test {
 protected:
  beside_a_writer() {
    void* p =
        ::mmap(nullptr, sizeof(shared_state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    state = new (p) shared_state;
    start();
  }
  void start() {
    child = ::fork();
    if (child == 0) write_for_ever(folder.path(), *state);
    while (state->committed < 2 * key_count && ::waitpid(child, nullptr, WNOHANG) == 0) ::usleep(1000);
  }
  // Cuts bytes off the end of the write-ahead log that was written last, as a power failure does.
  void tear_newest_log(std::uint64_t bytes) const {
    std::filesystem::path newest;
    for (const auto& e : std::filesystem::directory_iterator(folder.path()))
      if (e.path().extension() == ".log" && (newest.empty() || e.path().filename() > newest.filename()))
        newest = e.path();
    const auto size = std::filesystem::file_size(newest);
    std::filesystem::resize_file(newest, size - std::min<std::uint64_t>(size, bytes));
  }
  static std::string text_of(const std::map<std::string, rows>& all) {
    std::string out;
    for (const auto& [name, list] : all)
      for (const auto& [k, v] : list) out += name + " " + k + " " + v + "\n";
    return out;
  }
  // What librocksdb recovers, into a file; the database itself is not changed.
  int write_rows_of_oracle(const std::string& to) const {
    try {
      std::map<std::string, rows> all;
      std::vector<::rocksdb::ColumnFamilyDescriptor> columns;
      for (int i = 0; i < 3; ++i)
        columns.emplace_back(oracle::name(static_cast<std::size_t>(i)), ::rocksdb::ColumnFamilyOptions());
      std::vector<::rocksdb::ColumnFamilyHandle*> handles;
      ::rocksdb::DB* db = nullptr;
      if (!::rocksdb::DB::OpenForReadOnly({}, folder.path(), columns, &handles, &db).ok()) return 4;
      for (std::size_t i = 0; i < 3; ++i) {
        const std::unique_ptr<::rocksdb::Iterator> it(db->NewIterator({}, handles[i]));
        for (it->SeekToFirst(); it->Valid(); it->Next())
          all[oracle::name(i)].emplace_back(it->key().ToString(), it->value().ToString());
      }
      std::ofstream(to, std::ios::binary) << text_of(all);
      return 0;
    } catch (...) {
      return 3;
    }
  }
  static std::string read_rows(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  ~beside_a_writer() override {
    state->stop = true;
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << "the writer failed";
    ::munmap(state, sizeof(shared_state));
  }
  // The last write to `key` among the first `n`.
  static std::uint64_t last_write(std::uint64_t key, std::uint64_t n) {
    return n - (n + key_count - key) % key_count;
  }
  // All rows, or none when the writer was so much faster than this reader that it says so (a build with
  // coverage, beside others).
  static std::optional<rows> rows_unless_busy(const rocksdb::database& db, std::string_view column) {
    auto it = db.iterate(column);
    EXPECT_TRUE(it) << it.error().to_string();
    if (!it) return rows();
    rows out;
    for (it->seek_first(); it->valid(); it->next()) out.emplace_back(it->key(), it->value().text());
    if (!it->status() && it->status().error().code == make_error_code(osvm::errc::busy)) return std::nullopt;
    EXPECT_TRUE(it->status()) << it->status().error().to_string();
    return out;
  }
  void expect_rows_between(const rocksdb::database& db, std::uint64_t before) {
    const auto all = rows_unless_busy(db, "default");
    if (!all) return void(++busy);
    const rows& got = *all;
    const auto after = state->committed.load() + 1;
    ASSERT_EQ(got.size(), key_count);
    for (std::uint64_t k = 0; k < key_count; ++k) {
      const auto n = std::stoull(got[k].second);
      ASSERT_EQ(n % key_count, k);
      ASSERT_GE(n, last_write(k, before)) << "an acknowledged write is missing";
      ASSERT_LE(n, after);
    }
  }
  temporary_folder folder;
  shared_state* state;
  pid_t child;
  int busy = 0;
};

TEST_F(beside_a_writer, a_thousand_opens_see_every_acknowledged_row) {
  const auto first = state->committed.load();
  for (int i = 0; i < opens; ++i) {
    const auto before = state->committed.load();
    const auto db = rocksdb::database::open(folder.path());
    ASSERT_TRUE(db) << db.error().to_string();
    expect_rows_between(*db, before);
    if (HasFatalFailure()) return;
    ASSERT_TRUE(db->lost().empty()) << db->lost()[0].file << ": " << db->lost()[0].reason;
    const auto k = static_cast<std::uint64_t>(i) % key_count;
    const auto row = db->get("default", fmt::format("key-{:06}", k));
    ASSERT_TRUE(row && *row) << (row ? "no row" : row.error().to_string());
    ASSERT_GE(std::stoull(std::string((*row)->text())), last_write(k, before));
  }
  EXPECT_GT(state->committed.load(), first);
  EXPECT_LT(busy, opens / 2) << "of " << opens << " opens";
}

// The oracle opens what a killed writer left: it and we see the same rows, down to a torn end of its log.
TEST_F(beside_a_writer, a_killed_one_leaves_the_rows_that_the_oracle_recovers) {
  for (int round = 0; round < 5; ++round) {
    const auto before = state->committed.load();
    while (state->committed < before + 3000 && ::waitpid(child, nullptr, WNOHANG) == 0) ::usleep(1000);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    const auto acknowledged = state->committed.load();
    if (round % 2) tear_newest_log(static_cast<std::uint64_t>(round) * 37);
    std::map<std::string, rows> ours;
    {
      const auto db = rocksdb::database::open(folder.path());
      ASSERT_TRUE(db) << db.error().to_string();
      for (const char* c : {"default", "slots", "blobs"}) ours[c] = our_rows(*db, c);
      if (round % 2 == 0) {
        ASSERT_TRUE(db->lost().empty()) << db->lost()[0].file << ": " << db->lost()[0].reason;
        for (std::uint64_t k = 0; k < key_count; ++k)
          ASSERT_GE(std::stoull(ours["default"][k].second), last_write(k, acknowledged)) << "acknowledged";
      }
    }
    child = ::fork();  // librocksdb's threads do not survive the next fork
    if (child == 0) ::_exit(write_rows_of_oracle(folder.path() + "-rows"));
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    EXPECT_EQ(read_rows(folder.path() + "-rows"), text_of(ours));
    std::filesystem::remove(folder.path() + "-rows");
    state->committed = 0;
    start();
  }
}

TEST_F(beside_a_writer, refreshing_sees_what_was_acknowledged_before) {
  auto db = rocksdb::database::open(folder.path());
  ASSERT_TRUE(db);
  for (int i = 0; i < 300; ++i) {
    const auto before = state->committed.load();
    const auto news = db->refresh();
    ASSERT_TRUE(news) << news.error().to_string();
    expect_rows_between(*db, before);
    if (HasFatalFailure()) return;
    // Deleted rows do not come back: at most what was written since, and the fifty that live.
    const auto left = rows_unless_busy(*db, "slots");
    const auto after = state->committed.load() + 1;
    if (left) ASSERT_LE(left->size(), after - before + 52);
  }
  EXPECT_LT(busy, 150) << "of 300";
}

}  // namespace
}  // namespace osvm::ledger::test
