// Messages and signatures; solders_peer_test.py compares them with another library.
#include <osvm/solana/encode.hpp>
#include <osvm/solana/message.hpp>
#include <osvm/solana/programs.hpp>

#include <gtest/gtest.h>

namespace osvm::solana {
namespace {

keypair key(char fill) {
  return *keypair::from_seed(as_bytes(std::string(32, fill)));
}
pubkey address(char fill) {
  return *pubkey::read(as_bytes(std::string(32, fill)));
}

class message : public ::testing::Test {
 protected:
  message_plan plan() const {
    return {.payer = payer.address(),
            .instructions = {instructions::transfer(payer.address(), address('b'), 42)},
            .blockhash = *hash::read(as_bytes(std::string(32, 'h')))};
  }
  transaction_view parsed(const std::string& wire) {
    transaction_view tx;
    EXPECT_TRUE(parse_transaction(as_bytes(wire), tx));
    EXPECT_EQ(tx.size, wire.size());
    EXPECT_TRUE(sanitize(tx));
    return tx;
  }
  keypair payer = key('p'), other = key('o');
};

TEST_F(message, a_transfer_is_built_signed_and_verified) {
  for (const auto version : {message_version::legacy, message_version::v0}) {
    auto p = plan();
    p.version = version;
    const auto text = *build_message(p);
    const keypair* keys[] = {&payer};
    const auto wire = *sign_message(text, keys);
    const auto tx = parsed(wire);
    EXPECT_TRUE(verify_signatures(tx));
    EXPECT_EQ(tx.message.version, version);
    EXPECT_EQ(tx.message.keys.size(), 3U);
    EXPECT_EQ(tx.message.keys[0], payer.address());
    EXPECT_EQ(tx.message.keys[2], programs::system);
    EXPECT_EQ(*tx.message.blockhash, p.blockhash);
  }
}

TEST_F(message, every_signer_must_be_there) {
  auto p = plan();
  p.instructions.push_back(instructions::memo("hello", std::array{other.address()}));
  const auto text = *build_message(p);
  const keypair* one[] = {&payer};
  const keypair* both[] = {&other, nullptr, &payer};
  const auto missing = sign_message(text, one);
  EXPECT_EQ(missing.error().code, osvm::errc::not_found);
  EXPECT_NE(missing.error().context.find(other.address().to_string()), std::string::npos);
  const auto partly = *sign_partly(text, one);
  EXPECT_FALSE(verify_signatures(parsed(partly)));
  const keypair* second[] = {&other};
  const auto whole = *add_signatures(partly, second);
  EXPECT_TRUE(verify_signatures(parsed(whole)));
  EXPECT_EQ(whole, *sign_message(text, both));
}

TEST_F(message, keys_of_tables_leave_the_message) {
  auto p = plan();
  p.version = message_version::v0;
  p.instructions.push_back(
      {address('x'), {{address('r'), false, false}, {address('w'), false, true}}, "data"});
  p.tables = {{address('t'), {address('q'), address('w'), address('r'), address('x'), payer.address()}},
              {address('u'), {address('q')}}};
  const auto text = *build_message(p);
  const auto m = *parse_message(as_bytes(text));
  ASSERT_EQ(m.lookups.size(), 1U);  // the second table has nothing to give
  EXPECT_EQ(m.lookups[0].writable.size(), 1U);
  EXPECT_EQ(m.lookups[0].writable[0], 1);
  EXPECT_EQ(m.lookups[0].readonly[0], 2);
  EXPECT_EQ(m.keys.size(), 4U);  // payer, b, x (a program is never loaded) and the system program
  EXPECT_EQ(m.instructions[1].accounts[0], 5);
  EXPECT_EQ(m.instructions[1].accounts[1], 4);
  p.version = message_version::legacy;
  EXPECT_EQ(build_message(p).error().code, osvm::errc::invalid_argument);
}

TEST_F(message, what_does_not_fit_a_packet_is_refused) {
  auto p = plan();
  const keypair* keys[] = {&payer};
  std::size_t largest = 0;
  for (std::size_t size = 900; size < 1100; ++size) {
    p.instructions = {instructions::memo(std::string(size, 'x'))};
    const auto text = build_message(p);
    if (!text) {
      EXPECT_EQ(text.error().code, osvm::errc::limit_exceeded);
      break;
    }
    largest = sign_message(*text, keys)->size();
  }
  EXPECT_EQ(largest, 1232U);
  p.instructions.assign(2000, instructions::memo("x"));
  EXPECT_FALSE(build_message(p));
  instruction many{address('x'), {}, {}};
  for (int i = 0; i < 300; ++i)
    many.accounts.push_back(
        {*pubkey::read(as_bytes(std::to_string(i) + std::string(32, 'k'))), false, false});
  p.instructions = {many};
  EXPECT_EQ(build_message(p).error().code, osvm::errc::limit_exceeded);
}

TEST_F(message, version_1_carries_its_budget_and_stands_before_its_signatures) {
  auto p = plan();
  p.version = message_version::v1;
  p.config = {.priority_fee = 9, .heap_size = 65536};
  const keypair* keys[] = {&payer};
  const auto text = build_message(p);
  ASSERT_TRUE(text) << text.error().to_string();
  const auto wire = sign_message(*text, keys);
  ASSERT_TRUE(wire) << wire.error().to_string();
  EXPECT_TRUE(wire->starts_with(*text));
  auto tx = parsed(*wire);
  EXPECT_EQ(tx.message.version, message_version::v1);
  EXPECT_EQ(tx.message.config.priority_fee, 9U);
  EXPECT_EQ(tx.message.config.heap_size, 65536U);
  EXPECT_FALSE(tx.message.config.compute_unit_limit);
  EXPECT_TRUE(verify_signatures(tx));
  const auto again = add_signatures(*wire, keys);
  EXPECT_TRUE(again && *again == *wire);
  std::string json;
  json_writer out(json);
  out.begin_object();
  ASSERT_TRUE(write_transaction_fields(out, as_bytes(*wire), tx, nullptr, {.max_version = 1}));
  out.end_object();
  EXPECT_NE(json.find(R"("transactionConfig":{"priorityFee":9,"computeUnitLimit":null,)"
                      R"("loadedAccountsDataSizeLimit":null,"heapSize":65536})"),
            std::string::npos)
      << json;
  EXPECT_NE(json.find(R"("version":1)"), std::string::npos);
  EXPECT_EQ(write_transaction_fields(out, as_bytes(*wire), tx, nullptr, {.max_version = 0}).error().code,
            osvm::errc::unsupported);
}

TEST_F(message, version_1_has_limits_of_its_own) {
  auto p = plan();
  p.version = message_version::v1;
  const keypair* keys[] = {&payer};
  const auto code = [&] { return build_message(p).error().code; };
  p.instructions = {instructions::memo(std::string(3000, 'x'))};
  EXPECT_TRUE(sign_message(*build_message(p), keys)) << "more than a packet";
  p.instructions = {instructions::memo(std::string(4096, 'x'))};
  EXPECT_EQ(code(), osvm::errc::limit_exceeded);
  p.instructions.assign(64, instructions::memo("x"));
  EXPECT_TRUE(build_message(p));
  p.instructions.assign(65, instructions::memo("x"));
  EXPECT_EQ(code(), osvm::errc::limit_exceeded);
  const auto with_accounts = [&](int n, bool signer, bool same) {
    instruction ix{address('x'), {}, {}};
    for (int i = 0; i < n; ++i)
      ix.accounts.push_back(
          {*pubkey::read(as_bytes(std::to_string(same ? 0 : i) + std::string(32, 'k'))), signer, false});
    p.instructions = {ix};
  };
  with_accounts(62, false, false);
  EXPECT_TRUE(build_message(p)) << "64 keys with the payer and the program";
  with_accounts(63, false, false);
  EXPECT_EQ(code(), osvm::errc::limit_exceeded);
  with_accounts(12, true, false);
  EXPECT_EQ(code(), osvm::errc::limit_exceeded) << "13 signers";
  with_accounts(256, false, true);
  EXPECT_EQ(code(), osvm::errc::limit_exceeded);
  p = plan();
  p.version = message_version::v1;
  for (const std::uint32_t heap : {1u, 31u << 10, 257u << 10, (32u << 10) + 1}) {
    p.config.heap_size = heap;
    EXPECT_EQ(code(), osvm::errc::invalid_argument) << heap;
  }
  p.config = {};
  p.tables = {{address('t'), {address('b')}}};
  EXPECT_EQ(code(), osvm::errc::invalid_argument);
  p.tables.clear();
  p.config.priority_fee = 1;
  p.version = message_version::v0;
  EXPECT_EQ(code(), osvm::errc::invalid_argument) << "no configuration in another version";
}

TEST_F(message, hostile_messages_are_not_signed) {
  const keypair* keys[] = {&payer};
  EXPECT_FALSE(sign_message("", keys));
  EXPECT_FALSE(sign_message(std::string(200, '\xff'), keys));
  EXPECT_FALSE(sign_message(*build_message(plan()) + "x", keys));
  auto text = *build_message(plan());
  text[0] = '\7';  // more signers than keys
  EXPECT_FALSE(sign_message(text, keys));
  EXPECT_FALSE(add_signatures("x", keys));
}

TEST_F(message, a_durable_nonce_leads_and_replaces_the_blockhash) {
  std::string account(80, '\0');
  account[0] = account[4] = 1;
  std::fill_n(account.begin() + 8, 32, 'a');
  std::fill_n(account.begin() + 40, 32, 'n');
  account[72] = '\x88';
  account[73] = '\x13';
  const auto state = *read_nonce(as_bytes(account));
  EXPECT_EQ(state.authority, address('a'));
  EXPECT_EQ(state.lamports_per_signature, 5000U);
  const auto p = with_nonce(plan(), address('N'), state);
  const auto text = *build_message(p);
  const auto m = *parse_message(as_bytes(text));
  EXPECT_TRUE(uses_nonce(m));
  EXPECT_EQ(*m.blockhash, state.nonce);
  EXPECT_EQ(m.instructions.size(), 2U);
  const auto plain = *build_message(plan());
  EXPECT_FALSE(uses_nonce(*parse_message(as_bytes(plain))));

  EXPECT_EQ(read_nonce(as_bytes(account.substr(1))).error().code, osvm::errc::malformed);
  auto wrong = account;
  wrong[4] = 0;
  EXPECT_EQ(read_nonce(as_bytes(wrong)).error().code, osvm::errc::not_found);
  wrong = account;
  wrong[0] = 0;
  EXPECT_EQ(read_nonce(as_bytes(wrong)).error().code, osvm::errc::unsupported);
  wrong[0] = 9;
  EXPECT_EQ(read_nonce(as_bytes(wrong)).error().code, osvm::errc::malformed);
}

}  // namespace
}  // namespace osvm::solana
