#include "ledger.hpp"

#include <osvm/ledger/ledger_writer.hpp>
#include <osvm/ledger/rpc_service.hpp>
#include <osvm/ledger/side_index.hpp>
#include <osvm/solana/hashing.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <thread>

#include "../ledger_command.hpp"

namespace osvm::cli::bench {
namespace {

constexpr unsigned opens = 30;
constexpr std::size_t most_slots = 2000, most_transactions = 2000;

struct found {
  std::vector<solana::signature> signatures;
  std::set<solana::pubkey> addresses;
  ledger::slot_t largest = 0;  // the slot with the most transactions
  std::size_t transactions = 0;
};

result<found> look(const ledger::blockstore& store) {
  found out;
  OSVM_TRY(const auto roots, store.roots(0, ~0ULL, most_slots));
  for (const auto slot : roots) {
    const auto b = store.read_block(slot);
    if (!b) continue;
    const auto& list = (*b)->transactions();
    if (list.size() > out.transactions) out.transactions = list.size(), out.largest = slot;
    for (const auto& tx : list) {
      if (tx.signatures.empty() || out.signatures.size() >= most_transactions) continue;
      out.signatures.push_back(tx.signatures[0]);
      out.addresses.insert(tx.message.keys.begin(), tx.message.keys.end());
    }
  }
  return out;
}

result<void> opening(report& out, const std::string& folder, const char* name) {
  std::vector<double> ms;
  for (unsigned i = 0; i < opens; ++i) {
    const stopwatch watch;
    OSVM_TRY(const auto store, ledger::blockstore::open(folder));
    if (!store.bounds()->highest) return error(errc::not_found, "the ledger has no slot");
    ms.push_back(watch.ms());
  }
  out.samples(name, "ms", ms);
  return {};
}

result<void> questions(report& out, const opened_ledger& at, const found& known) {
  ledger::block_query query;
  query.level = ledger::commitment::confirmed;
  query.encode.max_version = 0;
  std::vector<double> tx, address;
  std::size_t unknown = 0;
  for (const auto& s : known.signatures) {
    const stopwatch watch;
    OSVM_TRY(const auto text, ledger::transaction_json(at.store, at.genesis, s, query));
    tx.push_back(watch.ms() * 1000);
    unknown += text == "null";
  }
  for (const auto& a : known.addresses) {
    const stopwatch watch;
    OSVM_TRY(const auto text, ledger::signatures_json(at.store, at.genesis, a, {}));
    address.push_back(watch.ms());
  }
  if (!tx.empty()) out.samples("ledger.get_transaction", "us", tx);
  if (!address.empty()) out.samples("ledger.get_signatures_for_address", "ms", address);
  out.must_be_zero("ledger.transactions_without_answer", "transactions", static_cast<double>(unknown));
  return {};
}

result<void> blocks(report& out, const opened_ledger& at, const found& known) {
  for (const auto& [name, encoding] : {std::pair{"base64", solana::transaction_encoding::base64},
                                       std::pair{"jsonParsed", solana::transaction_encoding::json_parsed}}) {
    ledger::block_query query;
    query.level = ledger::commitment::confirmed;
    query.encode = {.encoding = encoding, .max_version = 0};
    std::vector<double> ms;
    for (unsigned i = 0; i < opens; ++i) {
      const stopwatch watch;
      OSVM_TRY(const auto text, ledger::block_json(at.store, at.genesis, known.largest, query));
      ms.push_back(watch.ms());
    }
    out.samples(std::string("ledger.get_block.") + name, "ms", ms);
  }
  out.value("ledger.get_block.transactions", "transactions", static_cast<double>(known.transactions));
  return {};
}

// The same questions with a side index, which is made anew beside the bench's sockets.
result<void> side_index(report& out, const std::string& folder, const std::string& index_folder,
                        const found& known) {
  OSVM_TRY(const auto plain, ledger::blockstore::open(folder));
  const stopwatch building;
  OSVM_TRY(const auto built, ledger::build_side_index(plain, index_folder));
  out.value("ledger.index.build", "ms", building.ms());
  out.value("ledger.index.transactions", "transactions", static_cast<double>(built.transactions));
  ledger::blockstore_options options;
  OSVM_TRY(auto index, ledger::side_index::open(index_folder));
  options.index = std::make_shared<const ledger::side_index>(std::move(index));
  OSVM_TRY(auto store, ledger::blockstore::open(folder, options));
  ledger::block_query query;
  query.level = ledger::commitment::confirmed;
  query.encode.max_version = 0;
  std::vector<double> us;
  std::size_t unknown = 0;
  for (const auto& s : known.signatures) {
    const stopwatch watch;
    OSVM_TRY(const auto text, ledger::transaction_json(store, std::nullopt, s, query));
    us.push_back(watch.ms() * 1000);
    unknown += text == "null";
  }
  if (!us.empty()) out.samples("ledger.get_transaction.with_index", "us", us);
  out.must_be_zero("ledger.index.transactions_without_answer", "transactions", static_cast<double>(unknown));
  return {};
}

double poh_on_two_threads(const ledger::block& b, report& out) {
  const stopwatch watch;
  const auto parts = ledger::split_by_hashes(b, 2);
  const std::size_t middle = parts.size() > 2 ? parts[1] : b.entries().size();
  std::size_t bad = 0;
  {
    const std::jthread other([&] {
      if (ledger::verify_poh(b, {}, middle, b.entries().size()) != b.entries().size()) bad = 1;
    });
    if (ledger::verify_poh(b, {}, 1, middle) != middle) out.fail("the Proof of History does not hold");
  }
  if (bad) out.fail("the Proof of History does not hold");
  return watch.ms();
}

result<void> service(report& out, opened_ledger&& at, const found& known) {
  if (known.signatures.empty()) return {};
  const ledger::rpc_service rpc(std::move(at.store), std::move(at.genesis));
  const stopwatch watch;
  unsigned n = 0;
  for (; watch.ms() < 1000; ++n) {
    const auto& s = known.signatures[n % known.signatures.size()];
    const auto text = rpc.handle(R"({"jsonrpc":"2.0","id":1,"method":"getTransaction","params":[")" +
                                 s.to_string() + R"(",{"maxSupportedTransactionVersion":0}]})");
    if (text.find("\"result\"") == std::string::npos) return error(errc::malformed, text.substr(0, 200));
  }
  out.value("rpc.get_transaction.in_process", "per second", n / watch.ms() * 1000);
  return {};
}

}  // namespace

result<void> measure_many_tables(report& out, const std::string& parent, std::uint64_t tables) {
  // Rows of `index` and `meta` fill a table each; three slots' shreds another.
  constexpr std::uint64_t table_size = 4 << 10;
  const auto folder = parent + "/ledger";
  OSVM_TRY(auto writer, ledger::ledger_writer::create(folder, {.table_size = table_size, .durable = false}));
  solana::hash at{};
  for (ledger::slot_t slot = 1; slot * 7 <= tables * 3; ++slot) {
    ledger::recorded_block b{.slot = slot, .parent = slot - 1, .previous_blockhash = at};
    b.blockhash = at = solana::sha256(at.view());
    b.entries.push_back({1, at, 0});
    OSVM_CHECK(writer.add(b));
  }
  OSVM_CHECK(writer.finish());
  std::uint64_t files = 0;
  OSVM_CHECK(opening(out, folder, "ledger.open_to_first_answer.many_tables"));
  OSVM_TRY(const auto store, ledger::blockstore::open(folder));
  for (const auto& c : store.database().columns()) files += c.files;
  out.value("ledger.many_tables.files", "files", static_cast<double>(files));
  return {};
}

result<void> measure_blocks(report& out, const std::string& file, std::optional<std::uint64_t> slot,
                            const std::string& scratch) {
  const auto folder = scratch + "/blocks";
  OSVM_TRY(const auto from, ledger::open_block_source(file, {.slot = slot}));
  OSVM_TRY(auto writer, ledger::ledger_writer::create(folder, {.durable = false}));
  while (true) {
    OSVM_TRY(const auto block, from->next());
    if (!block) break;
    OSVM_CHECK(writer.add(*block));
  }
  OSVM_CHECK(writer.finish());
  OSVM_TRY(const auto at, open_ledger(folder));
  OSVM_TRY(const auto known, look(at.store));
  return blocks(out, at, known);
}

result<void> measure_ledger(report& out, const std::string& folder, const std::string& scratch) {
  OSVM_CHECK(opening(out, folder, "ledger.open_to_first_answer"));
  OSVM_TRY(auto at, open_ledger(folder));
  OSVM_TRY(const auto known, look(at.store));
  OSVM_CHECK(questions(out, at, known));
  OSVM_CHECK(blocks(out, at, known));
  OSVM_CHECK(side_index(out, folder, scratch + "/index", known));
  return service(out, std::move(at), known);
}

result<void> measure_deshred(report& out, const std::string& folder) {
  std::map<std::string, std::string> shreds;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    const auto name = at->path().filename().string();
    if (!name.starts_with('d')) continue;
    std::ifstream in(at->path(), std::ios::binary);
    shreds[name].assign(std::istreambuf_iterator<char>(in), {});
  }
  if (shreds.empty()) return error(errc::not_found, "--shreds: no files d0000, d0001… in " + folder);
  std::vector<bytes_view> views;
  for (const auto& [name, bytes] : shreds) views.push_back(as_bytes(bytes));
  std::vector<double> ms, poh, two;
  for (unsigned i = 0; i < opens; ++i) {
    const stopwatch watch;
    OSVM_TRY(const auto b, ledger::block::build(views));
    ms.push_back(watch.ms());
    if (i >= 5) continue;
    const stopwatch hashing;
    if (ledger::verify_poh(b, {}, 1, b.entries().size()) != b.entries().size())
      out.fail("the Proof of History does not hold");
    poh.push_back(hashing.ms());
    two.push_back(poh_on_two_threads(b, out));
    if (i == 0)
      out.remark(std::to_string(b.entries().size()) + " entries, " + std::to_string(b.transactions().size()) +
                 " transactions");
  }
  out.samples("deshred.slot", "ms", ms);
  out.samples("deshred.poh_one_thread", "ms", poh);
  out.samples("deshred.poh_two_threads", "ms", two);
  return {};
}

}  // namespace osvm::cli::bench
