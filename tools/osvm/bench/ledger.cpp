#include "ledger.hpp"

#include <osvm/ledger/rpc_service.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

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

result<void> opening(report& out, const std::string& folder) {
  std::vector<double> ms;
  for (unsigned i = 0; i < opens; ++i) {
    const stopwatch watch;
    OSVM_TRY(const auto store, ledger::blockstore::open(folder));
    if (!store.bounds()->highest) return error(errc::not_found, "the ledger has no slot");
    ms.push_back(watch.ms());
  }
  out.samples("ledger.open_to_first_answer", "ms", ms);
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

result<void> measure_ledger(report& out, const std::string& folder) {
  OSVM_CHECK(opening(out, folder));
  OSVM_TRY(auto at, open_ledger(folder));
  OSVM_TRY(const auto known, look(at.store));
  OSVM_CHECK(questions(out, at, known));
  OSVM_CHECK(blocks(out, at, known));
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
  std::vector<double> ms, poh;
  for (unsigned i = 0; i < opens; ++i) {
    const stopwatch watch;
    OSVM_TRY(const auto b, ledger::block::build(views));
    ms.push_back(watch.ms());
    if (i >= 5) continue;
    const stopwatch hashing;
    if (ledger::verify_poh(b, {}, 1, b.entries().size()) != b.entries().size())
      out.fail("the Proof of History does not hold");
    poh.push_back(hashing.ms());
    out.remark(std::to_string(b.entries().size()) + " entries, " + std::to_string(b.transactions().size()) +
               " transactions");
  }
  out.samples("deshred.slot", "ms", ms);
  out.samples("deshred.poh_one_core", "ms", poh);
  return {};
}

}  // namespace osvm::cli::bench
