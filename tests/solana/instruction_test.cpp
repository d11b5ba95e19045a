#include <gtest/gtest.h>

#include "solana/instructions/parser.hpp"
#include "wire_bytes.hpp"

namespace osvm::solana::test {
namespace {

// Accounts 1, 2, 3… are the keys of those bytes; "<2>" in an expectation stands for one.
class instruction : public ::testing::Test {
 protected:
  static std::string parsed(const pubkey& program, const wire_bytes& data, std::size_t accounts,
                            std::vector<pubkey> instead = {}) {
    std::vector<pubkey> keys;
    std::vector<std::uint8_t> indexes;
    for (std::size_t i = 0; i < accounts; ++i) {
      indexes.push_back(static_cast<std::uint8_t>(i));
      keys.push_back(i < instead.size() && !instead[i].is_zero() ? instead[i]
                                                                 : key_of(static_cast<unsigned char>(i + 1)));
    }
    const account_keys all(keys, nullptr);
    const auto* parser = find_instruction_parser(program);
    std::string text = "none";
    if (parser) parse_instruction(*parser, {indexes, data.view(), all}, text);
    for (std::size_t i = 1; i < 20; ++i) {
      const auto name = key_of(static_cast<unsigned char>(i)).to_string();
      for (std::size_t at; (at = text.find(name)) != std::string::npos;)
        text.replace(at, name.size(), "<" + std::to_string(i) + ">");
    }
    return text;
  }
};

TEST_F(instruction, lookup_tables) {
  EXPECT_EQ(parsed(programs::address_lookup_table, wire_bytes{}.u32(2).u64(1).fill(9, 32), 4),
            R"({"info":{"lookupTableAccount":"<1>","lookupTableAuthority":"<2>","newAddresses":["<9>"],)"
            R"("payerAccount":"<3>","systemProgram":"<4>"},"type":"extendLookupTable"})");
  EXPECT_EQ(parsed(programs::address_lookup_table, wire_bytes{}.u32(2).u64(1ULL << 60), 4), "none");
}

TEST_F(instruction, loaders) {
  EXPECT_EQ(parsed(programs::bpf_loader_upgradeable, wire_bytes{}.u32(1).u32(8).u64(2).text("ab"), 2),
            R"({"info":{"account":"<1>","authority":"<2>","bytes":"YWI=","offset":8},"type":"write"})");
  EXPECT_EQ(parsed(programs::bpf_loader_upgradeable, wire_bytes{}.u32(4), 2),
            R"({"info":{"account":"<1>","authority":"<2>","newAuthority":null},"type":"setAuthority"})");
  EXPECT_EQ(parsed(programs::bpf_loader, wire_bytes{}.u32(1), 2),
            R"({"info":{"account":"<1>"},"type":"finalize"})");
}

TEST_F(instruction, stake_with_and_without_sysvars) {
  EXPECT_EQ(
      parsed(programs::stake, wire_bytes{}.u32(2), 3),
      R"({"info":{"stakeAccount":"<1>","stakeAuthority":"<3>","voteAccount":"<2>"},"type":"delegate"})");
  EXPECT_EQ(parsed(programs::stake, wire_bytes{}.u32(11).u32(1).u64(1).text("s").fill(8, 32), 4,
                   {{}, {}, programs::sysvar_clock}),
            R"({"info":{"authorityBase":"<2>","authorityOwner":"<8>","authoritySeed":"s",)"
            R"("authorityType":"Withdrawer","clockSysvar":"SysvarC1ock11111111111111111111111111111111",)"
            R"("newAuthorized":"<4>","stakeAccount":"<1>"},"type":"authorizeCheckedWithSeed"})");
  EXPECT_EQ(parsed(programs::stake, wire_bytes{}.u32(13), 1), R"({"type":"getMinimumDelegation"})");
  EXPECT_EQ(parsed(programs::stake, wire_bytes{}.u32(6).u8(0).u8(1).u64(7).u8(0), 2),
            R"({"info":{"custodian":"<2>","lockup":{"epoch":7},"stakeAccount":"<1>"},"type":"setLockup"})");
}

TEST_F(instruction, token_2022_extensions) {
  EXPECT_EQ(parsed(programs::token_2022, wire_bytes{}.u8(26).u8(1).u64(1500).u8(3).u64(10), 4),
            R"({"info":{"authority":"<4>","destination":"<3>","feeAmount":{"amount":"10","decimals":3,)"
            R"("uiAmount":0.01,"uiAmountString":"0.01"},"mint":"<2>","source":"<1>","tokenAmount":)"
            R"({"amount":"1500","decimals":3,"uiAmount":1.5,"uiAmountString":"1.5"}},)"
            R"("type":"transferCheckedWithFee"})");
  EXPECT_EQ(parsed(programs::token_2022, wire_bytes{}.u8(39).u8(0).fill(0, 32).fill(6, 32), 1),
            R"({"info":{"metadataAddress":"<6>","mint":"<1>"},"type":"initializeMetadataPointer"})");
  EXPECT_EQ(parsed(programs::token_2022, wire_bytes{}.u8(21).u16(7).u16(26), 1),
            R"({"info":{"extensionTypes":["immutableOwner","pausable"],"mint":"<1>"},)"
            R"("type":"getAccountDataSize"})");
  EXPECT_EQ(parsed(programs::token_2022, wire_bytes{}.u8(30).u8(0), 4),
            R"({"info":{"account":"<1>","multisigOwner":"<2>","signers":["<3>","<4>"]},)"
            R"("type":"enableRequiredMemoTransfers"})");
}

TEST_F(instruction, confidential_transfers_name_their_proofs) {
  wire_bytes transfer;
  transfer.u8(27).u8(7).fill(0, 36 + 128).u8(0).u8(0xff).u8(0);
  EXPECT_EQ(parsed(programs::token_2022, transfer, 7),
            R"({"info":{"ciphertextValidityProofInstructionOffset":-1,"destination":"<3>",)"
            R"("equalityProofContextStateAccount":"<5>","equalityProofInstructionOffset":0,)"
            R"("instructionsSysvar":"<4>","mint":"<2>",)"
            R"("newSourceDecryptableAvailableBalance":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",)"
            R"("owner":"<7>","rangeProofContextStateAccount":"<6>","rangeProofInstructionOffset":0,)"
            R"("source":"<1>"},"type":"confidentialTransfer"})");
}

TEST_F(instruction, token_metadata_and_batches) {
  EXPECT_EQ(parsed(programs::token_2022,
                   wire_bytes{}.u64(0xc8dccab52d31e9dd).u8(3).u32(1).text("k").u32(2).text("vv"), 2),
            R"({"info":{"field":"k","metadata":"<1>","updateAuthority":"<2>","value":"vv"},)"
            R"("type":"updateTokenMetadataField"})");
  EXPECT_EQ(parsed(programs::token, wire_bytes{}.u8(255).u8(1).u8(1).u8(17).u8(2).u8(1).u8(5), 3),
            R"({"info":{"instructions":[{"info":{"account":"<1>"},"type":"syncNative"},)"
            R"({"info":{"owner":"<3>","source":"<2>"},"type":"revoke"}]},"type":"batch"})");
  EXPECT_EQ(parsed(programs::token, wire_bytes{}.u8(255).u8(1).u8(1).u8(255), 1), "none");
  EXPECT_EQ(parsed(programs::token, wire_bytes{}.u8(255).u8(9).u8(1).u8(17), 1), "none");
}

TEST_F(instruction, vote_state_4_and_prefunded_accounts) {
  EXPECT_EQ(parsed(programs::vote, wire_bytes{}.u32(18).u16(700).u32(1), 2),
            R"({"info":{"commissionBps":700,"commissionKind":"BlockRevenue","voteAccount":"<1>",)"
            R"("withdrawAuthority":"<2>"},"type":"updateCommissionBps"})");
  EXPECT_EQ(parsed(programs::system, wire_bytes{}.u32(13).u64(0).u64(9).fill(8, 32), 1),
            R"({"info":{"newAccount":"<1>","owner":"<8>","space":9},"type":"createAccountAllowPrefund"})");
}

}  // namespace
}  // namespace osvm::solana::test
