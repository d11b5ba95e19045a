// The account and token methods over dumped accounts and a small snapshot.
#include <osvm/ledger/rpc_service.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/programs.hpp>

#include <boost/json.hpp>

#include <cmath>
#include <fstream>

#include "ledger_writer.hpp"
#include "snapshot_bytes.hpp"

namespace osvm::ledger::test {
namespace {

namespace json = boost::json;

solana::pubkey key_of(unsigned char b) {
  solana::pubkey k;
  k.bytes.fill(b);
  return k;
}
std::string name_of(unsigned char b) {
  return key_of(b).to_string();
}

std::string mint_data() {
  std::string d;
  put<std::uint32_t>(d, 1);
  d.append(32, 1);
  put<std::uint64_t>(d, 5000);
  d += "\2\1";
  d.append(36, 0);
  return d;
}
std::string holding_data(unsigned char mint, unsigned char owner, std::uint64_t amount) {
  std::string d;
  d.append(32, static_cast<char>(mint)).append(32, static_cast<char>(owner));
  put(d, amount);
  d.append(36, 0).append(1, 1).append(12 + 8 + 36, 0);
  return d;
}

// Mint 9; accounts 21 and 22 hold it for 5 and 6; account 30 belongs to the system.
class account_rpc : public ::testing::Test {
 protected:
  account_rpc() {
    std::filesystem::create_directory(folder.path() + "/rocksdb");
    {
      ledger_writer w(folder.path() + "/rocksdb");
      w.block(0, 0, {});
    }
    std::filesystem::create_directory(folder.path() + "/accounts");
    dump(9, solana::programs::token, mint_data());
    dump(21, solana::programs::token, holding_data(9, 5, 1250));
    dump(22, solana::programs::token, holding_data(9, 6, 3750));
    dump(30, solana::programs::system, std::string(200, 'x'));
    auto accounts = account_store::load({folder.path() + "/accounts"});
    EXPECT_TRUE(accounts);
    options.accounts = std::make_shared<const account_store>(std::move(*accounts));
  }
  void dump(unsigned char address, const solana::pubkey& owner, const std::string& data) const {
    std::ofstream(folder.path() + "/accounts/" + std::to_string(address) + ".json")
        << R"({"pubkey":")" << name_of(address) << R"(","account":{"lamports":)" << 100u + address
        << R"(,"data":[")" << solana::base64_encode(as_bytes(data)) << R"(","base64"],"owner":")"
        << owner.to_string() << R"(","executable":false,"rentEpoch":18446744073709551615}})";
  }
  json::value ask(const std::string& method, const std::string& params) const {
    const rpc_service service(*blockstore::open(folder.path()), std::nullopt, options);
    return json::parse(
        service.handle(R"({"jsonrpc":"2.0","id":7,"method":")" + method + R"(","params":)" + params + "}"));
  }
  json::value value(const std::string& method, const std::string& params) const {
    const auto a = ask(method, params);
    EXPECT_TRUE(a.as_object().contains("result")) << json::serialize(a);
    return a.at("result").at("value");
  }
  std::string message(const std::string& method, const std::string& params) const {
    return ask(method, params).at("error").at("message").as_string().c_str();
  }
  static std::string quoted(unsigned char b) { return "[\"" + name_of(b) + "\""; }
  temporary_folder folder;
  rpc_options options;
};

TEST_F(account_rpc, one_account_and_several) {
  const auto a = value("getAccountInfo", quoted(21) + R"(,{"encoding":"jsonParsed"}])");
  EXPECT_EQ(a.at("data").at("parsed").at("info").at("tokenAmount").at("uiAmountString"), "12.5");
  EXPECT_EQ(json::serialize(a.at("rentEpoch")), "18446744073709551615");
  EXPECT_TRUE(value("getAccountInfo", quoted(99) + "]").is_null());
  EXPECT_EQ(message("getAccountInfo", quoted(30) + "]"),
            "Encoded binary (base 58) data should be less than 128 bytes, please use Base64 encoding.");
  EXPECT_EQ(
      value("getAccountInfo", quoted(30) + R"(,{"encoding":"base64","dataSlice":{"offset":1,"length":3}}])")
          .at("data")
          .at(0),
      "eHh4");
  const auto list = value("getMultipleAccounts", "[[\"" + name_of(30) + "\",\"" + name_of(99) + "\"]]");
  EXPECT_EQ(list.as_array().size(), 2u);
  EXPECT_TRUE(list.at(1).is_null());
  EXPECT_EQ(value("getBalance", quoted(30) + "]"), 130);
  EXPECT_EQ(value("getBalance", quoted(99) + "]"), 0);
  EXPECT_EQ(message("getAccountInfo", R"(["111"])"), "Invalid param: WrongSize");
  EXPECT_EQ(message("getAccountInfo", R"(["0OIl"])"), "Invalid param: Invalid");
  EXPECT_EQ(message("getAccountInfo", quoted(21) + R"(,{"minContextSlot":99}])"),
            "Minimum context slot has not been reached");
}

TEST_F(account_rpc, a_program_s_accounts_through_filters) {
  const std::string token = "[\"" + solana::programs::token.to_string() + "\"";
  const auto with = [&](const std::string& config) {
    return ask("getProgramAccounts", token + R"(,{"encoding":"base64",)" + config + "}]");
  };
  EXPECT_EQ(ask("getProgramAccounts", token + R"(,{"encoding":"base64"}])").at("result").as_array().size(),
            3u);
  EXPECT_EQ(with(R"("filters":[{"dataSize":165}])").at("result").as_array().size(), 2u);
  EXPECT_EQ(with(R"("filters":["tokenAccountState"])").at("result").as_array().size(), 2u);
  const auto one =
      with(R"("filters":[{"memcmp":{"offset":32,"bytes":")" + name_of(6) + R"("}}],"withContext":true)");
  ASSERT_EQ(one.at("result").at("value").as_array().size(), 1u);
  EXPECT_EQ(one.at("result").at("value").at(0).at("pubkey").as_string(), name_of(22));
  EXPECT_EQ(with(R"("filters":[{"memcmp":{"offset":18446744073709551615,"bytes":"2"}}])")
                .at("result")
                .as_array()
                .size(),
            0u);
  EXPECT_EQ(with(R"("filters":[{"dataSize":1},{"dataSize":1},{"dataSize":1},{"dataSize":1},{"dataSize":1}])")
                .at("error")
                .at("message"),
            "Too many filters provided; max 4");
}

TEST_F(account_rpc, tokens) {
  EXPECT_EQ(value("getTokenAccountBalance", quoted(22) + "]").at("amount"), "3750");
  EXPECT_EQ(value("getTokenSupply", quoted(9) + "]").at("uiAmountString"), "50");
  const auto largest = value("getTokenLargestAccounts", quoted(9) + "]");
  EXPECT_EQ(largest.at(0).at("address").as_string(), name_of(22));
  EXPECT_EQ(largest.at(1).at("amount"), "1250");
  const auto mine = value("getTokenAccountsByOwner",
                          quoted(5) + R"(,{"mint":")" + name_of(9) + R"("},{"encoding":"jsonParsed"}])");
  ASSERT_EQ(mine.as_array().size(), 1u);
  EXPECT_EQ(mine.at(0).at("account").at("data").at("parsed").at("info").at("owner").as_string(), name_of(5));
  EXPECT_EQ(message("getTokenAccountsByOwner", quoted(5) + R"(,{"mint":")" + name_of(98) + R"("}])"),
            "Invalid param: could not find mint");
  EXPECT_EQ(message("getTokenAccountBalance", quoted(30) + "]"), "Invalid param: not a Token account");
}

TEST_F(account_rpc, what_only_a_bank_knows) {
  EXPECT_EQ(ask("getTransactionCount", "[]").at("error").at("code"), -32601);
  EXPECT_EQ(ask("getMinimumBalanceForRentExemption", "[0]").at("result"), 890880);
  std::ofstream(folder.path() + "/one.tar", std::ios::binary)
      << make_archive(50, {{50, 1, make_storage({{1, 2, 10, ""}})}});
  auto accounts = account_store::load({folder.path() + "/one.tar"});
  ASSERT_TRUE(accounts) << accounts.error().to_string();
  options.accounts = std::make_shared<const account_store>(std::move(*accounts));
  EXPECT_EQ(ask("getTransactionCount", "[]").at("result"), 77);
  EXPECT_EQ(ask("getInflationGovernor", "[]").at("result").at("terminal"), 0.015);
  EXPECT_EQ(ask("getBalance", quoted(1) + "]").at("result").at("context").at("slot"), 50);
}

// A vote state of version 1, whose last vote is `last`.
std::string vote_state(std::uint64_t last) {
  std::string d;
  append_raw<std::uint32_t>(d, 1);
  d.append(32, 'n').append(32, 'w').append(1, 7);
  append_raw<std::uint64_t>(d, 2);
  for (const auto slot : {last - 1, last}) append_raw(d, slot), append_raw<std::uint32_t>(d, 1);
  d += '\1', append_raw<std::uint64_t>(d, 9);
  append_raw<std::uint64_t>(d, 1), append_raw<std::uint64_t>(d, 0), d.append(32, 'n');
  d.append(32 * 48 + 9, '\0');
  append_raw<std::uint64_t>(d, 6);
  for (std::uint64_t e = 0; e < 6; ++e) append_raw(d, e), append_raw(d, 10 * e + 10), append_raw(d, 10 * e);
  return d + std::string(16, '\0');
}

TEST_F(account_rpc, validators_and_inflation_of_a_bank) {
  std::ofstream(folder.path() + "/votes.tar", std::ios::binary)
      << make_archive(1000, {{1000, 1, make_storage({{1, 2, 10, ""}})}}, vote_state(990));
  auto accounts = account_store::load({folder.path() + "/votes.tar"});
  ASSERT_TRUE(accounts) << accounts.error().to_string();
  options.accounts = std::make_shared<const account_store>(std::move(*accounts));
  const auto votes = ask("getVoteAccounts", "[]").at("result");
  EXPECT_TRUE(votes.at("delinquent").as_array().empty());
  const auto one = votes.at("current").at(0);
  EXPECT_EQ(one.at("votePubkey").as_string(), name_of('v'));
  EXPECT_EQ(one.at("nodePubkey").as_string(), name_of('n'));
  EXPECT_EQ(one.at("activatedStake"), 42);
  EXPECT_EQ(one.at("commission"), 7);
  EXPECT_EQ(one.at("lastVote"), 990);
  EXPECT_EQ(one.at("rootSlot"), 9);
  EXPECT_EQ(one.at("epochCredits"),
            json::parse("[[1,20,10],[2,30,20],[3,40,30],[4,50,40],[5,60,50]]"));  // the last five
  const auto late = ask("getVoteAccounts", R"([{"delinquentSlotDistance":10}])").at("result");
  EXPECT_TRUE(late.at("current").as_array().empty());
  EXPECT_EQ(late.at("delinquent").as_array().size(), 1u);
  const auto other = ask("getVoteAccounts", R"([{"votePubkey":")" + name_of(3) + "\"}]").at("result");
  EXPECT_TRUE(other.at("current").as_array().empty());
  const auto rate = ask("getInflationRate", "[]").at("result");
  // Slot 1000 lies in epoch 5 of the warm-up, which began with slot 992.
  const double total = 0.08 * std::pow(1 - 0.15, 992 / 78892314.98);
  EXPECT_DOUBLE_EQ(rate.at("total").as_double(), total);
  EXPECT_DOUBLE_EQ(rate.at("foundation").as_double(), total * 0.05);
  EXPECT_DOUBLE_EQ(rate.at("validator").as_double(), total - total * 0.05);
  EXPECT_EQ(rate.at("epoch"), 5);
  EXPECT_EQ(ask("getBlockCommitment", "[3]").at("result").at("totalStake"), 42);
  EXPECT_EQ(ask("getSlotLeader", "[]").at("result").as_string(), name_of('l'));
}

TEST_F(account_rpc, rewards_of_an_epoch_lie_in_the_blocks_behind_it) {
  const auto reward = [](unsigned char who, std::uint8_t lamports, std::uint8_t type,
                         const char* commission) {
    std::string r = "\x0a" + std::string(1, static_cast<char>(name_of(who).size())) + name_of(who);
    r += '\x10', r += static_cast<char>(lamports), r += "\x18\x64\x20", r += static_cast<char>(type);
    if (*commission) r += "\x2a\x01", r += commission;
    return "\x0a" + std::string(1, static_cast<char>(r.size())) + r;
  };
  {
    ledger_writer w(folder.path() + "/rocksdb");
    for (const slot_t slot : {33, 34, 35}) w.block(slot, slot == 33 ? 0 : slot - 1, {});
    // Votes and one partition's number in the first block, stakes in the second; the third is behind them.
    w.row("rewards", keys::slot(33), reward(3, 5, 4, "7") + reward(4, 6, 1, "") + "\x12\x02\x08\x01");
    w.row("rewards", keys::slot(34), reward(5, 8, 3, "9"));
    w.row("rewards", keys::slot(35), reward(6, 9, 3, "9"));
  }
  genesis g;
  g.schedule = {.slots_per_epoch = 32, .leader_schedule_slot_offset = 32};
  const rpc_service service(*blockstore::open(folder.path()), g, {});
  const auto ask_it = [&](const std::string& params) {
    return json::parse(
        service.handle(R"({"jsonrpc":"2.0","id":7,"method":"getInflationReward","params":)" + params + "}"));
  };
  const auto who =
      "[[\"" + name_of(3) + "\",\"" + name_of(4) + "\",\"" + name_of(5) + "\",\"" + name_of(6) + "\"]";
  const auto paid = ask_it(who + "]").at("result");
  EXPECT_EQ(paid.at(0),
            json::parse(R"({"epoch":0,"effectiveSlot":33,"amount":5,"postBalance":100,"commission":7})"));
  EXPECT_TRUE(paid.at(1).is_null()) << "a fee is no reward of inflation";
  EXPECT_EQ(paid.at(2).at("effectiveSlot"), 34);
  EXPECT_TRUE(paid.at(3).is_null()) << "behind the partitions";
  EXPECT_EQ(ask_it(who + R"(,{"epoch":1}])").at("error").at("code"), -32004);
}

TEST_F(account_rpc, what_a_ledger_cannot_know_is_said) {
  for (const char* method :
       {"getLeaderSchedule", "getBlockProduction", "getSupply", "getClusterNodes", "getMaxRetransmitSlot"}) {
    const auto a = ask(method, "[]");
    EXPECT_EQ(a.at("error").at("code"), -32601) << method;
    EXPECT_TRUE(a.at("error").at("data").as_object().contains("reason")) << method;
  }
  EXPECT_EQ(ask("getHighestSnapshotSlot", "[]").at("error").at("message"), "No snapshot");
  EXPECT_EQ(ask("getMaxShredInsertSlot", "[]").at("result"), 0);
  EXPECT_EQ(ask("getIdentity", "[]").at("result").at("identity"), "11111111111111111111111111111111");
}

TEST_F(account_rpc, without_accounts_the_methods_are_not_there) {
  options.accounts.reset();
  const auto a = ask("getAccountInfo", quoted(9) + "]");
  EXPECT_EQ(a.at("error").at("code"), -32601);
  EXPECT_NE(json::serialize(a.at("error").at("data")).find("snapshot"), std::string::npos);
}

}  // namespace
}  // namespace osvm::ledger::test
