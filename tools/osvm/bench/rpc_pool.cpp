// Two VMs behind the proxy, of which the one that serves reads a copy of the ledger that does not grow. The
// other's grows as a validator's does: by rows in a write-ahead log.
#include <osvm/ledger/blockstore.hpp>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "../guest_programs.hpp"
#include "../rpc_node.hpp"
#include "rpc.hpp"

namespace osvm::cli::bench {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr std::uintmax_t largest_copy = std::uintmax_t{1} << 30;
constexpr unsigned slots = 150;

std::uint32_t crc32c(std::string_view bytes) noexcept {
  std::uint32_t crc = ~0U;
  for (const char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0x82f63b78U & (0U - (crc & 1U)));
  }
  return ~crc;
}

template <class T>
void put(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

// A copy of a ledger whose roots go on in a log of its own (docs/formats/rocksdb.md). The log stays within
// its first block, so that no record is split.
struct growing_ledger {
  std::string folder, log;
  std::uint32_t root_column = 0;
  std::uint64_t sequence = 0;
  ledger::slot_t last = 0;

  result<void> grow() {
    std::string record(1, '\1');  // the type, which the checksum covers: a whole record
    put<std::uint64_t>(record, ++sequence);
    put<std::uint32_t>(record, 1);
    record += '\5';  // a value of a column
    record += static_cast<char>(root_column);
    record += '\x08';
    put<std::uint64_t>(record, __builtin_bswap64(++last));
    record += "\1\1";
    const auto crc = crc32c(record);
    std::string bytes;
    put<std::uint32_t>(bytes, ((crc >> 15) | (crc << 17)) + 0xa282ead8U);
    put<std::uint16_t>(bytes, static_cast<std::uint16_t>(record.size() - 1));
    std::ofstream out(log, std::ios::binary | std::ios::app);
    out << bytes << record << std::flush;
    if (!out) return errno_error(log);
    return {};
  }
};

std::uintmax_t size_of(const fs::path& folder) {
  std::uintmax_t sum = 0;
  std::error_code failed;
  for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed))
    if (at->is_regular_file(failed)) sum += at->file_size(failed);
  return sum;
}

result<void> copy_ledger(const std::string& from, const std::string& to) {
  std::error_code failed;
  fs::create_directories(to, failed);
  for (const char* part : {"rocksdb", "genesis.bin"}) {
    const fs::path source = fs::path(from) / part;
    if (!fs::exists(source, failed)) continue;
    fs::copy(source, fs::path(to) / part, fs::copy_options::recursive, failed);
    if (failed) return error(failed, source.string());
  }
  return {};
}

result<growing_ledger> open_growing(const std::string& folder) {
  OSVM_TRY(const auto store, ledger::blockstore::open(folder));
  growing_ledger out{.folder = folder, .log = folder + "/rocksdb/900000.log"};
  out.sequence = store.database().sequence();
  out.last = store.bounds()->last_root.value_or(0);
  for (const auto& c : store.database().columns())
    if (c.name == "root") out.root_column = c.id;
  if (out.root_column == 0 || out.root_column > 127) return error(errc::unsupported, "the column of roots");
  return out;
}

// Clients that ask for the last slot without pause and count what none of them may see.
class slot_watch {
 public:
  slot_watch(const endpoint& where, unsigned clients) {
    for (unsigned i = 0; i < clients; ++i) threads_.emplace_back([this, where] { ask(where); });
  }
  ~slot_watch() { stop(); }
  void stop() {
    ending_ = true;
    for (auto& t : threads_)
      if (t.joinable()) t.join();
  }
  std::atomic<std::uint64_t> asked{0}, lost{0}, regressions{0}, highest{0};

 private:
  void ask(const endpoint& where) {
    slot_client client(where);
    while (!ending_) {
      const std::uint64_t seen = highest;  // by any client, before this question
      const auto slot = client.last_slot();
      ++asked;
      if (!slot) {
        ++lost;
        continue;
      }
      regressions += *slot < seen;
      for (std::uint64_t now = highest; now < *slot && !highest.compare_exchange_weak(now, *slot);) {
      }
    }
  }
  std::atomic<bool> ending_{false};
  std::vector<std::thread> threads_;
};

}  // namespace

result<void> measure_rpc_pool(environment& env, report& out, const rpc_options& options) {
  if (size_of(options.folder) > largest_copy) {
    out.remark("rpc.slot_regressions: not measured, the ledger is larger than 1 GiB and would be copied");
    return {};
  }
  OSVM_TRY(const auto copies, private_dir::make("bench"));
  const auto frozen = copies.path() + "/frozen";
  OSVM_CHECK(copy_ledger(options.folder, frozen));
  OSVM_CHECK(copy_ledger(options.folder, copies.path() + "/live"));
  OSVM_TRY(auto live, open_growing(copies.path() + "/live"));
  OSVM_TRY(auto program, find_guest("osvm-rpc"));
  rpc_node_options o{.program = std::move(program),
                     .folders = {frozen, live.folder},
                     .vms = 2,
                     .listen = tcp_endpoint{"127.0.0.1", 0},
                     .socket_dir = env.sockets.path(),
                     .facts = env.facts};
  OSVM_TRY(const auto node, rpc_node::start(env.loop.get_executor(), std::move(o)));
  while (node->vms().size() < 2) {
    OSVM_CHECK(env.proceed());
    std::this_thread::sleep_for(1ms);
  }
  slot_watch clients(node->local_endpoint(), 3);
  const stopwatch growing;  // from the first slot on that only the other VM can see
  double left_after = -1;
  for (unsigned i = 0; i < slots || left_after < 0; ++i) {
    OSVM_CHECK(env.proceed());
    if (growing.elapsed() > 20s) return error(errc::timed_out, "the VM that does not advance stays");
    if (i < slots) OSVM_CHECK(live.grow());
    std::this_thread::sleep_for(20ms);
    const auto vms = node->vms();
    if (left_after < 0 && !vms.empty() && vms[0].first != "vm-1") left_after = growing.ms();
  }
  while (clients.highest < live.last && growing.elapsed() < 30s) std::this_thread::sleep_for(5ms);
  clients.stop();
  out.must_be_zero("rpc.slot_regressions", "answers", static_cast<double>(clients.regressions));
  out.must_be_zero("rpc.lost_requests", "requests", static_cast<double>(clients.lost));
  out.value("rpc.left_the_pool", "ms", left_after);
  if (clients.highest < live.last) out.fail("the last slots of the ledger were never answered");
  out.remark(std::to_string(clients.asked) + " questions for the last slot, up to slot " +
             std::to_string(clients.highest));
  return {};
}

}  // namespace osvm::cli::bench
