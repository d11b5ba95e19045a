// docs/json-rpc.md says where each method is served from: this asks a server for each of its rows.
#include <osvm/ledger/rpc_service.hpp>
#include <osvm/ledger/verify.hpp>

#include <boost/json.hpp>

#include <fstream>
#include <map>

#include "ledger/rpc/call.hpp"
#include "ledger_writer.hpp"
#include "snapshot_bytes.hpp"

namespace osvm::ledger::test {
namespace {

// Solana's documented HTTP methods (solana.com/docs/rpc/http, 2026).
constexpr std::string_view documented[] = {
    "getAccountInfo",
    "getBalance",
    "getBlock",
    "getBlockCommitment",
    "getBlockHeight",
    "getBlockProduction",
    "getBlockTime",
    "getBlocks",
    "getBlocksWithLimit",
    "getClusterNodes",
    "getEpochInfo",
    "getEpochSchedule",
    "getFeeForMessage",
    "getFirstAvailableBlock",
    "getGenesisHash",
    "getHealth",
    "getHighestSnapshotSlot",
    "getIdentity",
    "getInflationGovernor",
    "getInflationRate",
    "getInflationReward",
    "getLargestAccounts",
    "getLatestBlockhash",
    "getLeaderSchedule",
    "getMaxRetransmitSlot",
    "getMaxShredInsertSlot",
    "getMinimumBalanceForRentExemption",
    "getMultipleAccounts",
    "getProgramAccounts",
    "getRecentPerformanceSamples",
    "getRecentPrioritizationFees",
    "getSignatureStatuses",
    "getSignaturesForAddress",
    "getSlot",
    "getSlotLeader",
    "getSlotLeaders",
    "getStakeMinimumDelegation",
    "getSupply",
    "getTokenAccountBalance",
    "getTokenAccountsByDelegate",
    "getTokenAccountsByOwner",
    "getTokenLargestAccounts",
    "getTokenSupply",
    "getTransaction",
    "getTransactionCount",
    "getVersion",
    "getVoteAccounts",
    "isBlockhashValid",
    "minimumLedgerSlot",
    "requestAirdrop",
    "sendTransaction",
    "simulateTransaction",
};

// Method to source, of the table's rows: | `method` | source | notes |
std::map<std::string, std::string> rows_of_the_page() {
  std::ifstream in(OSVM_RPC_METHODS_PAGE);
  EXPECT_TRUE(in) << OSVM_RPC_METHODS_PAGE;
  std::map<std::string, std::string> out;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("| `")) continue;
    const auto name_end = line.find('`', 3), from = line.find("| ", name_end) + 2;
    const auto name = line.substr(3, name_end - 3);
    EXPECT_TRUE(out.emplace(name, line.substr(from, line.find(" |", from) - from)).second)
        << name << " twice";
  }
  return out;
}

std::string_view method_test_name(served_from source) {
  static constexpr std::string_view names[] = {"ledger", "accounts", "snapshot", "unsupported"};
  return names[static_cast<std::size_t>(source)];
}

std::map<std::string, std::string> rows_of_the_server() {
  std::map<std::string, std::string> out;
  for (const auto table : method_tables())
    for (const auto& m : table) EXPECT_TRUE(out.emplace(m.name, method_test_name(m.source)).second) << m.name;
  for (const auto name : live_methods()) out.emplace(name, "upstream");
  return out;
}

TEST(rpc_methods, the_page_lists_what_the_server_has) {
  const auto page = rows_of_the_page();
  EXPECT_EQ(page, rows_of_the_server());
  for (const auto name : documented) EXPECT_TRUE(page.contains(std::string(name))) << name;
}

class rpc_sources : public ::testing::Test {
 protected:
  rpc_sources() {
    std::filesystem::create_directory(folder.path() + "/rocksdb");
    ledger_writer(folder.path() + "/rocksdb").block(0, 0, {});
    std::ofstream(folder.path() + "/a.json")
        << R"({"pubkey":"11111111111111111111111111111112","account":{"lamports":1,"data":["","base64"],)"
           R"("owner":"11111111111111111111111111111111","executable":false,"rentEpoch":0}})";
    std::ofstream(folder.path() + "/one.tar", std::ios::binary)
        << make_archive(50, {{50, 1, make_storage({{1, 2, 10, ""}})}});
  }
  // Whether the method exists for a server with these accounts: whatever it says of missing parameters.
  bool serves(const std::string& method, const std::string& accounts) const {
    rpc_options options;
    if (!accounts.empty())
      options.accounts =
          std::make_shared<const account_store>(*account_store::load({folder.path() + "/" + accounts}));
    const rpc_service service(*blockstore::open(folder.path()), genesis{}, options);
    const auto answer =
        json::parse(service.handle(R"({"jsonrpc":"2.0","id":7,"method":")" + method + R"(","params":[]})"));
    const auto* error = answer.as_object().if_contains("error");
    if (!error || error->at("code") != -32601) return true;
    EXPECT_TRUE(error->as_object().contains("data") ||
                error->at("message").as_string().find("--upstream") != json::string::npos)
        << method << " does not say why";
    return false;
  }
  temporary_folder folder;
};

TEST_F(rpc_sources, each_method_is_served_from_what_the_page_says) {
  for (const auto& [method, source] : rows_of_the_page()) {
    EXPECT_EQ(serves(method, ""), source == "ledger") << method;
    EXPECT_EQ(serves(method, "a.json"), source == "ledger" || source == "accounts") << method;
    EXPECT_EQ(serves(method, "one.tar"), source != "upstream" && source != "unsupported") << method;
  }
}

TEST(verify_ledger, what_does_not_hold_is_found) {
  const temporary_folder folder;
  std::filesystem::create_directory(folder.path() + "/rocksdb");
  {
    ledger_writer w(folder.path() + "/rocksdb");
    w.block(0, 0, {});
    w.block(1, 0, {});  // its entry's hash is of no Proof of History
  }
  std::vector<std::string> found;
  const auto store = blockstore::open(folder.path());
  ASSERT_TRUE(store) << store.error().to_string();
  const auto done = verify_ledger(*store, {.found = [&](const ledger_problem& p) {
    found.push_back(std::to_string(p.slot) + " " + p.what);
  }});
  ASSERT_TRUE(done);
  EXPECT_EQ(done->blocks, 2u);
  EXPECT_EQ(done->problems, 1u);
  EXPECT_EQ(found, std::vector<std::string>{"1 entry 0 does not follow from the one before"});
}

}  // namespace
}  // namespace osvm::ledger::test
