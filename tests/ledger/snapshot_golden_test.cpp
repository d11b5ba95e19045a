// Real archives, where OSVM_TEST_DATA names the folder that holds them: one of Agave 4.2 with everything in
// it written out as JSON, a full and an incremental one, and two of Solana 1.18.
#include <osvm/ledger/account_store.hpp>
#include <osvm/ledger/blockstore.hpp>
#include <osvm/ledger/lt_hash.hpp>
#include <osvm/solana/ed25519.hpp>
#include <osvm/solana/programs.hpp>

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

class real_snapshots : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("OSVM_TEST_DATA");
    if (!folder || !fs::is_directory(std::string(folder) + "/snapshots"))
      GTEST_SKIP() << "NOT APPLICABLE: OSVM_TEST_DATA names no folder with snapshots";
    data = folder;
  }
  std::string data;
};

std::string hex(bytes_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const auto b : bytes) {
    out += digits[std::to_integer<unsigned>(b) >> 4];
    out += digits[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

TEST_F(real_snapshots, every_account_and_bank_field_of_agave_4_2) {
  const auto base = data + "/snapshots/test-snapshot-v4.2.0-beta.1";
  const auto store = account_store::load({base + ".tar.zst"});
  ASSERT_TRUE(store) << store.error().to_string();
  std::ifstream in(base + ".json");
  const auto wanted = json::parse(std::string{std::istreambuf_iterator<char>(in), {}});
  const auto& entries = wanted.at("accounts").at("entries").as_array();
  const auto& live = wanted.at("accounts").at("live_indices").as_array();
  EXPECT_EQ(store->size(), live.size());
  for (const auto& index : live) {
    const auto& e = entries.at(index.to_number<std::size_t>());
    const auto* a = store->find(*solana::pubkey::parse(e.at("pubkey").as_string()));
    ASSERT_TRUE(a) << e.at("pubkey");
    EXPECT_EQ(a->view.lamports, e.at("lamports").to_number<std::uint64_t>());
    EXPECT_EQ(a->view.owner.to_string(), e.at("owner").as_string());
    EXPECT_EQ(a->view.executable, e.at("executable").as_bool());
    EXPECT_EQ(a->view.rent_epoch, e.at("rent_epoch").to_number<std::uint64_t>());
    EXPECT_EQ(a->view.data.size(), e.at("data_len").to_number<std::size_t>());
    if (const auto* bytes = e.as_object().if_contains("data_hex"); bytes && bytes->is_string()) {
      EXPECT_EQ(hex(a->view.data), bytes->as_string());
    }
  }
  const auto& b = wanted.at("bank_fields");
  ASSERT_TRUE(store->bank());
  const auto& bank = *store->bank();
  EXPECT_EQ(bank.slot, b.at("slot").to_number<std::uint64_t>());
  EXPECT_EQ(bank.epoch, b.at("epoch").to_number<std::uint64_t>());
  EXPECT_EQ(bank.block_height, b.at("block_height").to_number<std::uint64_t>());
  EXPECT_EQ(bank.hash.to_string(), b.at("hash").as_string());
  EXPECT_EQ(bank.parent_hash.to_string(), b.at("parent_hash").as_string());
  EXPECT_EQ(bank.leader.to_string(), b.at("leader_id").as_string());
  EXPECT_EQ(bank.capitalization, b.at("capitalization").to_number<std::uint64_t>());
  EXPECT_EQ(bank.transaction_count, b.at("transaction_count").to_number<std::uint64_t>());
  EXPECT_EQ(bank.signature_count, b.at("signature_count").to_number<std::uint64_t>());
  EXPECT_EQ(bank.hard_forks.size(), b.at("hard_forks").as_array().size());
  EXPECT_EQ(bank.schedule.slots_per_epoch, 432000u);
  EXPECT_EQ(bank.inflation.terminal, 0.015);
  EXPECT_EQ(bank.vote_accounts.size(), b.at("stakes").at("vote_accounts").as_array().size());
  EXPECT_EQ(bank.delegations, b.at("stakes").at("stake_delegations").as_array().size());
  EXPECT_EQ(bank.last_blockhash->to_string(), b.at("blockhash_queue").at("last_hash").as_string());
  const auto& epochs = wanted.at("extra_fields").at("versioned_epoch_stakes").as_array();
  EXPECT_EQ(bank.epoch_stakes.size(), epochs.size());
  for (const auto& e : epochs) {
    const auto& list = bank.epoch_stakes.at(e.at("epoch").to_number<std::uint64_t>());
    EXPECT_EQ(list.size(), e.at("vote_accounts").as_array().size());
    for (const auto& v : e.at("vote_accounts").as_array()) {
      const auto vote = *solana::pubkey::parse(v.at("vote_pubkey").as_string());
      const auto found = std::ranges::find(list, vote, &vote_stake::vote);
      ASSERT_NE(found, list.end());
      EXPECT_EQ(found->node.to_string(), v.at("node_pubkey").as_string());
      EXPECT_EQ(found->stake, v.at("stake").to_number<std::uint64_t>());
    }
  }
}

// The oracle of a schedule is the ledger itself: leaders sign their shreds and earn their blocks' fees.
TEST_F(real_snapshots, the_scheduled_leader_signed_every_shred) {
  const auto folder = data + "/ledger-solana-1.18";
  const auto accounts = account_store::load({folder});
  const auto store = blockstore::open(folder);
  ASSERT_TRUE(accounts && store);
  const auto& bank = *accounts->bank();
  ASSERT_FALSE(bank.epoch_stakes.empty());
  std::map<std::uint64_t, leader_schedule> schedules;
  for (const auto& [epoch, stakes] : bank.epoch_stakes) {
    auto made = leader_schedule::make(
        stakes, epoch,
        {.by = lots::validators, .slots = bank.schedule.locate(bank.schedule.first_slot(epoch)).length});
    ASSERT_TRUE(made) << made.error().to_string();
    schedules.emplace(epoch, std::move(*made));
  }
  std::size_t shreds = 0, wrong = 0;
  auto at = store->database().iterate("data_shred");
  ASSERT_TRUE(at);
  for (at->seek_first(); at->valid(); at->next()) {
    const auto bytes = at->value().bytes();
    const auto s = parse_shred(bytes);
    const auto root = merkle_root(bytes);
    ASSERT_TRUE(s && root);
    const auto where = bank.schedule.locate(s->slot);
    const auto known = schedules.find(where.epoch);
    if (known == schedules.end() || s->slot == 0) continue;  // a key made for it alone signs the first block
    ++shreds;
    wrong += !solana::verify(*s->leader_signature, known->second.node(where.index), root->view());
  }
  EXPECT_GT(shreds, 3000u);
  EXPECT_EQ(wrong, 0u);
  std::size_t fees = 0;
  for (const auto slot : *store->roots(1, ~0ULL, 100000)) {
    const auto where = bank.schedule.locate(slot);
    const auto known = schedules.find(where.epoch);
    const auto paid = store->rewards(slot);
    ASSERT_TRUE(paid);
    if (known == schedules.end() || !*paid) continue;
    for (const auto& r : (*paid)->rewards.rewards)
      if (r.type == solana::reward_type::fee) {
        ++fees;
        EXPECT_EQ(r.address, known->second.node(where.index).to_string()) << slot;
      }
  }
  EXPECT_GT(fees, 300u);
}

TEST_F(real_snapshots, an_incremental_one_on_its_full_one) {
  const auto store = account_store::load({data + "/snapshots"});
  ASSERT_TRUE(store) << store.error().to_string();
  EXPECT_EQ(store->slot(), 4u) << "the folder's newest full archive and the one on top of it";
  const auto full = account_store::load(
      {data + "/snapshots/snapshot-1-5pgMpQj4MZYWauD1VnoNfmGAdUQCe6VVCSCQMNbDoxf7.tar.zst"});
  ASSERT_TRUE(full) << full.error().to_string();
  EXPECT_EQ(full->slot(), 1u);
  const auto both = account_store::load(
      {data + "/snapshots/snapshot-1-5pgMpQj4MZYWauD1VnoNfmGAdUQCe6VVCSCQMNbDoxf7.tar.zst",
       data + "/snapshots/incremental-snapshot-1-4-43FT6mnmRW9XbxpCzqH3ogYexHXboG7d8vmf3gBLvLrR.tar.zst"});
  ASSERT_TRUE(both) << both.error().to_string();
  EXPECT_EQ(both->slot(), 4u);
  EXPECT_GE(both->size(), full->size());
  EXPECT_GE(both->unix_timestamp(), full->unix_timestamp());
}

TEST_F(real_snapshots, hold_what_their_hashes_say) {
  const auto full = data + "/snapshots/snapshot-1-5pgMpQj4MZYWauD1VnoNfmGAdUQCe6VVCSCQMNbDoxf7.tar.zst";
  const auto more =
      data + "/snapshots/incremental-snapshot-1-4-43FT6mnmRW9XbxpCzqH3ogYexHXboG7d8vmf3gBLvLrR.tar.zst";
  const auto one = verify_snapshot(full);
  ASSERT_TRUE(one) << one.error().to_string();
  EXPECT_TRUE(one->holds());
  EXPECT_TRUE(one->name_agrees);
  EXPECT_EQ(one->accounts, 21u);
  const auto both = verify_snapshot(full, {.incremental = more});
  ASSERT_TRUE(both) << both.error().to_string();
  EXPECT_TRUE(both->holds());
  EXPECT_TRUE(both->name_agrees);
  const auto agave_4 = verify_snapshot(data + "/snapshots/test-snapshot-v4.2.0-beta.1.tar.zst");
  ASSERT_TRUE(agave_4) << agave_4.error().to_string();
  EXPECT_TRUE(agave_4->holds());
}

TEST_F(real_snapshots, a_validator_s_sysvars_and_votes_decode) {
  const auto store = account_store::load({data + "/ledger-solana-1.18"});
  ASSERT_TRUE(store) << store.error().to_string();
  EXPECT_EQ(store->slot(), 901u);
  std::uint64_t lamports = 0;
  std::size_t votes = 0, undecoded = 0;
  for (const auto* a : store->all()) {
    lamports += a->view.lamports;
    const bool expected = a->view.owner == solana::programs::sysvar ||
                          a->view.owner == solana::programs::vote || a->view.owner == solana::programs::stake;
    if (!expected) continue;
    std::string text;
    solana::json_writer out(text);
    votes += a->view.owner == solana::programs::vote;
    undecoded += !solana::write_parsed_account(out, a->address, a->view, store->context_of(*a));
  }
  EXPECT_EQ(lamports, store->bank()->capitalization) << "every lamport of the bank is in an account";
  EXPECT_GE(votes, 1u);
  EXPECT_EQ(undecoded, 0u);
}

}  // namespace
}  // namespace osvm::ledger::test
