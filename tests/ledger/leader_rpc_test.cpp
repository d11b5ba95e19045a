// Leaders, supply and fees over a small ledger and a snapshot with stakes.
#include <osvm/ledger/leader_schedule.hpp>
#include <osvm/ledger/rpc_service.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/compute_budget.hpp>
#include <osvm/solana/message.hpp>
#include <osvm/solana/programs.hpp>

#include <boost/json.hpp>

#include <fstream>

#include "ledger_writer.hpp"
#include "snapshot_bytes.hpp"

namespace osvm::ledger::test {
namespace {

namespace json = boost::json;
namespace instructions = solana::instructions;

solana::pubkey leader_key_of(unsigned char b) {
  solana::pubkey k;
  k.bytes.fill(b);
  return k;
}
std::string leader_test_name(unsigned char b) {
  return leader_key_of(b).to_string();
}
// The blockhash of a block that ledger_writer makes.
solana::hash hash_of(slot_t slot) {
  return solana::sha256(as_bytes(std::to_string(slot)));
}

// Slots 36 to 41 of epoch 1, which has 64 from slot 32 on; 38 was skipped.
class leader_rpc : public ::testing::Test {
 protected:
  leader_rpc() : payer(*solana::keypair::from_seed(as_bytes(std::string(32, 'p')))) {
    std::filesystem::create_directory(folder.path() + "/rocksdb");
    ledger_writer w(folder.path() + "/rocksdb");
    w.block(36, 35, {});
    w.block(37, 36, {bid(36, 7), bid(36, 500)});
    w.block(39, 37, {bid(37, 90)});
    w.block(40, 39, {});
    w.block(41, 40, {});
    load(make_epoch_stakes(1, stakes()));
  }
  static std::vector<made_stake> stakes() { return {{1, 10, 50}, {2, 20, 30}, {3, 10, 20}, {4, 40, 0}}; }
  void load(const std::string& epoch_stakes, const std::vector<made_account>& accounts = {{1, 2, 10, ""}}) {
    const auto path = folder.path() + "/snapshot-50-x.tar";
    std::ofstream(path, std::ios::binary)
        << make_archive(50, {{50, 1, make_storage(accounts)}}, "abc", {}, epoch_stakes);
    auto loaded = account_store::load({path});
    ASSERT_TRUE(loaded) << loaded.error().to_string();
    options.accounts = std::make_shared<const account_store>(std::move(*loaded));
  }
  std::string message(slot_t blockhash_of, std::uint64_t price) const {
    return *solana::build_message(
        {.payer = payer.address(),
         .instructions = {instructions::compute_unit_price(price),
                          instructions::transfer(payer.address(), leader_key_of(77), price)},
         .blockhash = hash_of(blockhash_of)});
  }
  std::string bid(slot_t blockhash_of, std::uint64_t price) const {
    const solana::keypair* keys[] = {&payer};
    return *solana::sign_message(message(blockhash_of, price), keys);
  }
  json::value ask(const std::string& method, const std::string& params = "[]") const {
    const rpc_service service(*blockstore::open(folder.path()), std::nullopt, options);
    return json::parse(
        service.handle(R"({"jsonrpc":"2.0","id":7,"method":")" + method + R"(","params":)" + params + "}"));
  }
  json::value result_of(const std::string& method, const std::string& params = "[]") const {
    const auto a = ask(method, params);
    EXPECT_TRUE(a.as_object().contains("result")) << json::serialize(a);
    return a.as_object().contains("result") ? a.at("result") : json::value();
  }
  std::string error_of(const std::string& method, const std::string& params) const {
    return ask(method, params).at("error").at("message").as_string().c_str();
  }
  static leader_schedule expected(lots by) {
    std::vector<vote_stake> list;
    for (const auto& s : stakes()) list.push_back({leader_key_of(s.vote), leader_key_of(s.node), s.stake});
    return *leader_schedule::make(list, 1, {.by = by, .slots = 64});
  }
  solana::keypair payer;
  temporary_folder folder;
  rpc_options options;
};

TEST_F(leader_rpc, leaders_of_an_epoch_by_the_snapshot_s_stakes) {
  const auto wanted = expected(lots::validators);
  const auto schedule = result_of("getLeaderSchedule").as_object();
  EXPECT_EQ(schedule.size(), 2u) << "one without a stake leads no slot";
  std::size_t slots = 0;
  for (const auto& [node, list] : schedule)
    for (const auto& i : list.as_array()) {
      ++slots;
      EXPECT_EQ(wanted.node(i.to_number<std::uint64_t>()).to_string(), std::string(node));
    }
  EXPECT_EQ(slots, 64u);
  EXPECT_EQ(result_of("getLeaderSchedule", "[95]"), json::value(schedule));
  EXPECT_TRUE(result_of("getLeaderSchedule", "[96]").is_null()) << "the stakes of epoch 2 are not there";
  const auto one =
      result_of("getLeaderSchedule", R"([null,{"identity":")" + leader_test_name(20) + "\"}]").as_object();
  EXPECT_EQ(one,
            result_of("getLeaderSchedule", R"([{"identity":")" + leader_test_name(20) + "\"}]").as_object());
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one.at(leader_test_name(20)), schedule.at(leader_test_name(20)));
  const auto leaders = result_of("getSlotLeaders", "[40,3]").as_array();
  ASSERT_EQ(leaders.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(leaders[i].as_string(), wanted.node(8 + i).to_string());
  EXPECT_EQ(result_of("getSlotLeaders", "[40,0]").as_array().size(), 0u);
  EXPECT_EQ(error_of("getSlotLeaders", "[90,10]"),
            "Invalid slot range: leader schedule for epoch 2 is unavailable");
  EXPECT_EQ(error_of("getSlotLeaders", "[40,5001]"), "Invalid limit; max 5000");
}

TEST_F(leader_rpc, lots_are_drawn_by_vote_account_once_the_feature_is_active) {
  const auto feature = *solana::pubkey::parse("5JsG4NWH8Jbrqdd8uL6BNwnyZK3dQSoieRXG5vmofj9y");
  const auto with = [&](slot_t activated) {
    std::string data = "\1";
    append_raw(data, activated);
    auto storage = make_storage({{1, 2, 10, data}});
    storage.replace(16, 32, std::string(reinterpret_cast<const char*>(feature.data()), 32));
    const auto path = folder.path() + "/feature-snapshot.tar";
    std::ofstream(path, std::ios::binary)
        << make_archive(50, {{50, 1, storage}}, "abc", {}, make_epoch_stakes(1, stakes()));
    options.accounts = std::make_shared<const account_store>(*account_store::load({path}));
    return result_of("getSlotLeaders", "[32,64]").as_array();
  };
  const auto drawn = [](lots by) {
    json::array out;
    const auto schedule = expected(by);
    for (std::uint64_t i = 0; i < 64; ++i) out.emplace_back(schedule.node(i).to_string());
    return out;
  };
  ASSERT_NE(drawn(lots::vote_accounts), drawn(lots::validators));
  EXPECT_EQ(with(0), drawn(lots::vote_accounts)) << "from genesis on";
  EXPECT_EQ(with(5), drawn(lots::vote_accounts)) << "from the epoch behind the one that activated it";
  EXPECT_EQ(with(33), drawn(lots::validators)) << "not yet";
}

TEST_F(leader_rpc, production_counts_the_ledger_s_blocks) {
  const auto wanted = expected(lots::validators);
  const auto answer = result_of("getBlockProduction");
  EXPECT_EQ(answer.at("context").at("slot"), 41);
  EXPECT_EQ(answer.at("value").at("range"), json::parse(R"({"firstSlot":36,"lastSlot":41})"));
  std::map<std::string, std::pair<int, int>> counts;
  for (slot_t s = 36; s <= 41; ++s) {
    auto& [led, made] = counts[wanted.node(s - 32).to_string()];
    ++led;
    made += s != 38;
  }
  const auto& by = answer.at("value").at("byIdentity").as_object();
  EXPECT_EQ(by.size(), counts.size());
  for (const auto& [node, n] : counts) EXPECT_EQ(by.at(node), (json::array{n.first, n.second}));
  const auto some = result_of("getBlockProduction", R"([{"range":{"firstSlot":38,"lastSlot":38}}])");
  EXPECT_EQ(some.at("value").at("byIdentity").at(wanted.node(6).to_string()), json::parse("[1,0]"));
  EXPECT_EQ(error_of("getBlockProduction", R"([{"range":{"firstSlot":1}}])"),
            "firstSlot, 1, is too small; min 36");
  EXPECT_EQ(error_of("getBlockProduction", R"([{"range":{"firstSlot":40,"lastSlot":99}}])"),
            "lastSlot, 99, is too large; max 41");
  EXPECT_EQ(error_of("getBlockProduction", R"([{"range":{"firstSlot":40,"lastSlot":39}}])"),
            "lastSlot, 39, cannot be less than firstSlot, 40");
}

// ---- supply

std::string stake_data(unsigned char withdrawer, std::int64_t until, std::uint64_t epoch) {
  std::string d;
  append_raw<std::uint32_t>(d, 1);
  append_raw<std::uint64_t>(d, 5);
  d.append(32, 's').append(32, static_cast<char>(withdrawer));
  append_raw(d, until), append_raw(d, epoch);
  return d.append(32, 'c').append(80, '\0');
}

// The storage's accounts have addresses and owners of one letter; these get real ones.
std::string with_keys(std::string storage, std::size_t at, const solana::pubkey& address,
                      const solana::pubkey& owner) {
  storage.replace(at + 16, 32, std::string(reinterpret_cast<const char*>(address.data()), 32));
  return storage.replace(at + 64, 32, std::string(reinterpret_cast<const char*>(owner.data()), 32));
}

TEST_F(leader_rpc, what_does_not_circulate) {
  std::string clock;
  append_raw<std::uint64_t>(clock, 50), append_raw<std::uint64_t>(clock, 0),
      append_raw<std::uint64_t>(clock, 1);
  append_raw<std::uint64_t>(clock, 2), append_raw<std::int64_t>(clock, 1000);
  const auto listed = *solana::pubkey::parse("9huDUZfxoJ7wGMTffUE7vh1xePqef7gyrLJu9NApncqA");
  std::vector<made_storage> storages;
  const auto add = [&](const solana::pubkey& address, const solana::pubkey& owner, std::uint64_t lamports,
                       const std::string& data) {
    storages.push_back(
        {50, storages.size() + 1, with_keys(make_storage({{1, 2, lamports, data}}), 0, address, owner)});
  };
  add(solana::programs::sysvar_clock, solana::programs::sysvar, 1, clock);
  add(listed, solana::programs::system, 100, "");
  add(leader_key_of(61), solana::programs::stake, 10, stake_data('w', 1001, 0));  // locked until then
  add(leader_key_of(62), solana::programs::stake, 20, stake_data('w', 1000, 2));  // locked until that epoch
  add(leader_key_of(63), solana::programs::stake, 40, stake_data('w', 1000, 1));  // no more
  add(leader_key_of(64), solana::programs::system, 300, stake_data('w', 1001, 0));
  const auto path = folder.path() + "/supply.tar";
  std::ofstream(path, std::ios::binary) << make_archive(50, storages);
  options.accounts = std::make_shared<const account_store>(*account_store::load({path}));
  const auto supply = result_of("getSupply").at("value");
  EXPECT_EQ(supply.at("total"), 5000);
  EXPECT_EQ(supply.at("nonCirculating"), 130);
  EXPECT_EQ(supply.at("circulating"), 4870);
  const auto& names = supply.at("nonCirculatingAccounts").as_array();
  for (const auto& name : {listed.to_string(), leader_test_name(61), leader_test_name(62)})
    EXPECT_NE(std::ranges::find(names, json::value(name)), names.end()) << name;
  EXPECT_EQ(std::ranges::find(names, json::value(leader_test_name(63))), names.end());
  EXPECT_TRUE(result_of("getSupply", R"([{"excludeNonCirculatingAccountsList":true}])")
                  .at("value")
                  .at("nonCirculatingAccounts")
                  .as_array()
                  .empty());
  const auto largest = [&](const std::string& filter) {
    json::array out;
    const auto found = result_of("getLargestAccounts", "[{\"filter\":\"" + filter + "\"}]");
    for (const auto& a : found.at("value").as_array()) out.push_back(a.at("lamports"));
    return out;
  };
  EXPECT_EQ(largest("nonCirculating"), (json::array{100, 20, 10}));
  EXPECT_EQ(largest("circulating"), (json::array{300, 40, 1}));
  EXPECT_NE(error_of("getLargestAccounts", R"([{"filter":"both"}])").find("unknown variant"),
            std::string::npos);
}

// ---- fees and blockhashes

TEST_F(leader_rpc, blockhashes_of_the_last_blocks_are_valid) {
  const auto valid = [&](slot_t slot) {
    return result_of("isBlockhashValid", "[\"" + hash_of(slot).to_string() + "\"]").at("value");
  };
  EXPECT_EQ(valid(41), true);
  EXPECT_EQ(valid(37), true);
  EXPECT_EQ(ask("isBlockhashValid", "[\"" + hash_of(38).to_string() + "\"]").at("error").at("message"),
            "Internal error: the ledger holds only 5 of the last 150 blocks");
  EXPECT_EQ(error_of("isBlockhashValid", R"(["1"])"), "Invalid param: WrongSize");
}

TEST(blockhash_age, of_a_ledger_that_reaches_further_back) {
  const temporary_folder folder;
  std::filesystem::create_directory(folder.path() + "/rocksdb");
  {
    ledger_writer w(folder.path() + "/rocksdb");
    w.block(0, 0, {});
    for (slot_t s = 1; s <= 155; ++s) w.block(s, s - 1, {});
  }
  const rpc_service service(*blockstore::open(folder.path()), std::nullopt, {});
  const auto valid = [&](const solana::hash& h) {
    return json::parse(service.handle(R"({"jsonrpc":"2.0","id":7,"method":"isBlockhashValid","params":[")" +
                                      h.to_string() + "\"]}"))
        .at("result")
        .at("value")
        .as_bool();
  };
  EXPECT_TRUE(valid(hash_of(155)));
  EXPECT_TRUE(valid(hash_of(5))) << "150 blocks lie behind it";
  EXPECT_FALSE(valid(hash_of(4)));
  EXPECT_FALSE(valid(hash_of(9999)));
}

TEST_F(leader_rpc, the_fee_of_a_message) {
  const auto fee = [&](const std::string& m) {
    return result_of("getFeeForMessage", "[\"" + solana::base64_encode(as_bytes(m)) + "\"]").at("value");
  };
  // 5000 for the signature; two instructions of builtin programs get 3000 units each.
  EXPECT_EQ(fee(message(41, 0)), 5000);
  EXPECT_EQ(fee(message(41, 1'000'000)), 5000 + 6000);
  EXPECT_EQ(fee(message(41, 1)), 5000 + 1) << "rounded up";
  EXPECT_NE(error_of("getFeeForMessage", R"(["!"])").find("invalid base64"), std::string::npos);
  EXPECT_NE(error_of("getFeeForMessage", R"(["AAAA"])").find("failed to deserialize"), std::string::npos);
}

TEST_F(leader_rpc, what_transactions_of_the_last_blocks_bid) {
  EXPECT_EQ(result_of("getRecentPrioritizationFees"),
            json::parse(R"([{"slot":37,"prioritizationFee":7},{"slot":39,"prioritizationFee":90}])"));
  const std::string mine = "[[\"" + payer.address().to_string() + "\"]]";
  EXPECT_EQ(result_of("getRecentPrioritizationFees", mine), result_of("getRecentPrioritizationFees"))
      << "the least bid for an account is what it takes";
  EXPECT_EQ(error_of("getRecentPrioritizationFees", R"([["1"]])"), "Invalid param: WrongSize");
}

TEST(compute_budget, as_validators_read_it) {
  const auto read = [](std::vector<solana::instruction> list) {
    const auto bytes =
        *solana::build_message({.payer = leader_key_of(1), .instructions = std::move(list), .blockhash = {}});
    return solana::read_compute_budget(*solana::parse_message(as_bytes(bytes)));
  };
  const auto raw = [](std::string data) {
    return solana::instruction{solana::programs::compute_budget, {}, std::move(data)};
  };
  const auto other = [](unsigned char program) {
    return solana::instruction{leader_key_of(program), {}, ""};
  };
  EXPECT_EQ(read({other(9), other(8)})->units, 400'000u);
  EXPECT_EQ(read({other(9), instructions::compute_unit_price(5)})->units, 203'000u);
  EXPECT_EQ(read(std::vector(9, other(9)))->units, 1'400'000u);
  EXPECT_EQ(read({instructions::compute_unit_limit(7)})->units, 7u);
  EXPECT_EQ(
      read({instructions::compute_unit_limit(~0U), instructions::compute_unit_price(~0ULL)})->fee,
      static_cast<std::uint64_t>(
          (static_cast<unsigned __int128>(~0ULL) * 1'400'000 + 999'999) / 1'000'000 > ~0ULL ? ~0ULL : 0));
  EXPECT_FALSE(read({instructions::compute_unit_limit(7), instructions::compute_unit_limit(7)})) << "twice";
  EXPECT_FALSE(read({raw(std::string(9, '\0'))})) << "what is not used any more";
  EXPECT_FALSE(read({raw("\2\1")})) << "too short";
  EXPECT_FALSE(read({raw(std::string("\1\0\x80\0\1", 5))})) << "a heap of no multiple of 1024 or too large";
  EXPECT_FALSE(read({raw(std::string("\4\0\0\0\0", 5))})) << "no data at all";
  EXPECT_TRUE(read({raw(std::string("\1\0\x80\0\0 and more", 14))})) << "a heap of 32 KiB";
}

}  // namespace
}  // namespace osvm::ledger::test
