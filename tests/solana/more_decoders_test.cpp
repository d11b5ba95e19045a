// What validators do not decode: accounts and instructions of more programs, interfaces, events of logs.
#include <osvm/solana/base64.hpp>
#include <osvm/solana/encode.hpp>
#include <osvm/solana/idl.hpp>

#include <gtest/gtest.h>

#include "solana/accounts/parser.hpp"
#include "solana/more/decode.hpp"
#include "wire_bytes.hpp"

namespace osvm::solana::test {
namespace {

class one_idl final : public idl_source {
 public:
  one_idl(pubkey program, const std::string& json)
      : program_(program), idl_(std::make_shared<const idl>(idl::parse(json).value())) {}
  std::shared_ptr<const idl> find(const pubkey& program) const override {
    return program == program_ ? idl_ : nullptr;
  }

 private:
  pubkey program_;
  std::shared_ptr<const idl> idl_;
};

const char* const shop =
    R"({"metadata":{"name":"shop","version":"1","spec":"0.1.0"},"instructions":[{"name":"buy",
"discriminator":[5],"accounts":[],"args":[]}],"accounts":[{"name":"Store","discriminator":[9]}],"events":[
{"name":"Store","discriminator":[7]}],"errors":[{"code":6001,"name":"TooCheap","msg":"pay more"}],
"types":[{"name":"Store","type":{"kind":"struct","fields":[{"name":"price","type":"u8"}]}}]})";

// Keys of one repeated byte are shown as "<byte>".
std::string short_keys(std::string text) {
  for (unsigned i = 1; i < 20; ++i) {
    const auto name = key_of(static_cast<unsigned char>(i)).to_string();
    for (std::size_t at; (at = text.find(name)) != std::string::npos;)
      text.replace(at, name.size(), std::string("<").append(std::to_string(i)).append(">"));
  }
  return text;
}

std::string account(const pubkey& owner, const wire_bytes& data, const more_decoders* more) {
  account_context context;
  context.more = more;
  std::string text;
  json_writer out(text);
  if (!write_parsed_account(out, key_of(7), {owner, 5, 0, false, data.view()}, context)) return "none";
  return short_keys(text);
}
std::string account(const pubkey& owner, const wire_bytes& data) {
  const more_decoders more;
  return account(owner, data, &more);
}

std::string decoded_text(const pubkey& program, const wire_bytes& data, std::size_t accounts,
                         const more_decoders& more) {
  std::vector<pubkey> keys;
  std::vector<std::uint8_t> indexes;
  for (std::size_t i = 0; i < accounts; ++i) {
    indexes.push_back(static_cast<std::uint8_t>(i));
    keys.push_back(key_of(static_cast<unsigned char>(i + 1)));
  }
  keys.push_back(program);
  std::string text;
  json_writer out(text);
  write_instruction(out, accounts, indexes, data.view(), account_keys(keys, nullptr), std::nullopt, false,
                    &more);
  text = short_keys(text);
  const auto at = text.find("\"parsed\":");
  return at == std::string::npos ? "none" : text.substr(at + 9, text.size() - at - 10);
}
std::string decoded_text(const pubkey& program, const wire_bytes& data, std::size_t accounts) {
  return decoded_text(program, data, accounts, {});
}

TEST(more_decoders, are_only_asked_when_given) {
  const auto data = wire_bytes{}.u8(1).u64(300);
  EXPECT_EQ(account(programs::feature, data, nullptr), "none");
  EXPECT_EQ(account(programs::feature, data),
            R"({"parsed":{"info":{"activatedAt":300},"type":"feature"},"program":"feature-gate","space":9})");
  const more_decoders nothing{.idls = nullptr, .builtin = false};
  EXPECT_EQ(account(programs::feature, data, &nothing), "none");
  EXPECT_EQ(account(programs::feature, wire_bytes{}.u8(2)), "none");
}

TEST(more_decoders, loader_v4) {
  EXPECT_EQ(account(programs::loader_v4, wire_bytes{}.u64(9).fill(1, 32).u64(1).fill(0, 10)),
            R"({"parsed":{"info":{"authority":"<1>","programSize":10,"slot":9,"status":"deployed"},)"
            R"("type":"program"},"program":"loader-v4","space":58})");
  EXPECT_EQ(account(programs::loader_v4, wire_bytes{}.u64(9).fill(1, 32).u64(2)).substr(0, 45),
            R"({"parsed":{"info":{"nextVersion":"<1>","progr)");
  EXPECT_EQ(account(programs::loader_v4, wire_bytes{}.u64(9).fill(1, 32).u64(3)), "none");
  EXPECT_EQ(decoded_text(programs::loader_v4, wire_bytes{}.u32(0).u32(7).u64(3).text("abc"), 2),
            R"({"info":{"authority":"<2>","bytes":"YWJj","offset":7,"program":"<1>"},"type":"write"})");
  EXPECT_EQ(decoded_text(programs::loader_v4, wire_bytes{}.u32(0).u32(7).u64(4).text("abc"), 2), "none");
  EXPECT_EQ(decoded_text(programs::loader_v4, wire_bytes{}.u32(3), 2),
            R"({"info":{"authority":"<2>","program":"<1>"},"type":"deploy"})");
}

TEST(more_decoders, name_service) {
  const auto record = wire_bytes{}.fill(0, 32).fill(2, 32).fill(3, 32).text("hi");
  EXPECT_EQ(account(programs::name_service, record),
            R"({"parsed":{"info":{"class":"<3>","data":["aGk=","base64"],"owner":"<2>","parent":null},)"
            R"("type":"nameRecord"},"program":"name-service","space":98})");
  const auto reverse = pubkey::parse("33m47vH6Eav6jr5Ry86XjhRft2jRBLDnDgPSHoquXi2Z").value();
  auto named = wire_bytes{}.fill(0, 64);
  for (const auto b : reverse.bytes) named.u8(b);
  named.u32(6).text("bonfid");
  EXPECT_NE(account(programs::name_service, named).find(R"("name":"bonfid")"), std::string::npos);
  EXPECT_EQ(decoded_text(programs::name_service, wire_bytes{}.u8(2).fill(9, 32), 2),
            R"({"info":{"nameAccount":"<1>","newOwner":"<9>","owner":"<2>"},"type":"transfer"})");
  EXPECT_EQ(decoded_text(programs::name_service, wire_bytes{}.u8(9), 2), "none");
}

wire_bytes metadata() {
  wire_bytes d;
  d.u8(4).fill(1, 32).fill(2, 32).u32(8).text("Art").fill(0, 5).u32(4).text("ART").fill(0, 1).u32(2).text(
      "u/");
  d.u16(500).u8(1).u32(1).fill(3, 32).u8(1).u8(100).u8(0).u8(1);
  return d;
}

TEST(more_decoders, metaplex_metadata) {
  auto whole = metadata();
  whole.u8(1).u8(254).u8(1).u8(4).u8(1).u8(1).fill(5, 32).u8(0).u8(1).u8(0).u64(12).u8(1).u8(0).u8(0);
  whole.fill(0, 20);
  EXPECT_EQ(account(programs::metaplex_metadata, whole),
            R"({"parsed":{"info":{"collection":{"key":"<5>","verified":true},"collectionDetails":{"size":12,)"
            R"("version":1},"creators":[{"address":"<3>","share":100,"verified":true}],"editionNonce":254,)"
            R"("isMutable":true,"mint":"<2>","name":"Art","primarySaleHappened":false,)"
            R"("programmableConfig":{"ruleSet":null},"sellerFeeBasisPoints":500,"symbol":"ART",)"
            R"("tokenStandard":"programmableNonFungible","updateAuthority":"<1>","uri":"u/","uses":null},)"
            R"("type":"metadata"},"program":"metaplex-token-metadata","space":)" +
                std::to_string(whole.str().size()) + "}");
  const auto early = account(programs::metaplex_metadata, metadata());
  EXPECT_NE(early.find(R"("tokenStandard":null)"), std::string::npos) << early;
  auto strange = metadata();
  strange.u8(1).u8(254).u8(1).u8(99);  // a token standard that no release has
  const auto shown = account(programs::metaplex_metadata, strange);
  EXPECT_NE(shown.find(R"("editionNonce":254)"), std::string::npos) << shown;
  EXPECT_NE(shown.find(R"("tokenStandard":null)"), std::string::npos) << shown;
  EXPECT_EQ(account(programs::metaplex_metadata, wire_bytes{}.u8(4).fill(1, 64).u32(~0U)), "none");
}

TEST(more_decoders, metaplex_instructions) {
  const auto& program = programs::metaplex_metadata;
  // Version 3 of creation: a text padded with zeros, one creator, no collection, single use, a sized
  // collection.
  auto create = wire_bytes{}.u8(33).u32(6).text("Art").fill(0, 3).u32(1).text("A").u32(2).text("u/").u16(500);
  create.u8(1).u32(1).fill(7, 32).u8(1).u8(100).u8(0).u8(1).u8(2).u64(3).u64(4).u8(1).u8(1).u8(0).u64(9);
  EXPECT_EQ(
      decoded_text(program, create, 6),
      R"({"info":{"collectionDetails":{"size":9,"variant":"v1"},"data":{"collection":null,)"
      R"("creators":[{"address":"<7>","share":100,"verified":true}],"name":"Art","sellerFeeBasisPoints":500,)"
      R"("symbol":"A","uri":"u/","uses":{"remaining":3,"total":4,"useMethod":"single"}},"isMutable":true,)"
      R"("metadata":"<1>","mint":"<2>","mintAuthority":"<3>","payer":"<4>","systemProgram":"<6>",)"
      R"("updateAuthority":"<5>"},"type":"createMetadataAccountV3"})");
  EXPECT_EQ(decoded_text(program, create, 5), "none") << "an account is missing";
  EXPECT_NE(decoded_text(program, create, 7).find(R"("rent":"<7>")"), std::string::npos);
  EXPECT_EQ(decoded_text(program, wire_bytes{}.u8(7), 2),
            R"({"info":{"creator":"<2>","metadata":"<1>"},"type":"signMetadata"})");
  EXPECT_EQ(
      decoded_text(program, wire_bytes{}.u8(17).u8(0), 8).find(R"("maxSupply":null)") == std::string::npos,
      false);
  // A transfer with authorization data of each kind.
  auto transfer = wire_bytes{}.u8(49).u8(0).u64(1).u8(1).u32(4);
  transfer.u32(1).text("a").u8(0).fill(5, 32);
  transfer.u32(1).text("b").u8(1).u32(1).u32(2).text("hi");
  transfer.u32(1).text("c").u8(2).u32(1).fill(6, 32);
  transfer.u32(1).text("d").u8(3).u64(8);
  const auto shown = decoded_text(program, transfer, 17);
  EXPECT_NE(shown.find(R"("amount":1,"authority":"<10>","authorizationData":{"payload":[)"
                       R"({"name":"a","value":{"key":"<5>","variant":"pubkey"}},)"
                       R"({"name":"b","value":{"seeds":{"seeds":["aGk="]},"variant":"seeds"}},)"
                       R"({"name":"c","value":{"proof":{"proof":["<6>"]},"variant":"merkleProof"}},)"
                       R"({"name":"d","value":{"number":8,"variant":"number"}}]})"),
            std::string::npos)
      << shown;
  EXPECT_NE(shown.find(R"("type":"transfer"})"), std::string::npos);
  EXPECT_NE(shown.find(R"("variant":"v1")"), std::string::npos);
  // An update by a delegate, whose choices are named.
  EXPECT_NE(decoded_text(program, wire_bytes{}.u8(50).u8(5).u8(2).fill(4, 32).u8(0), 9)
                .find(R"("ruleSet":{"ruleSet":"<4>","variant":"set"})"),
            std::string::npos);
  EXPECT_NE(decoded_text(program, wire_bytes{}.u8(50).u8(3).u8(1).u8(0), 9).find(R"("collection":"clear")"),
            std::string::npos);
  for (const auto& bad : {wire_bytes{}, wire_bytes{}.u8(5), wire_bytes{}.u8(58), wire_bytes{}.u8(99),
                          wire_bytes{}.u8(49).u8(1).u64(1), wire_bytes{}.u8(33).u32(~0U),
                          wire_bytes{}.u8(49).u8(0).u64(1).u8(1).u32(~0U), wire_bytes{}.u8(50).u8(9),
                          wire_bytes{}.u8(17).u8(2)})
    EXPECT_EQ(decoded_text(program, bad, 20), "none");
}

// What the program itself no longer takes.
TEST(more_decoders, metaplex_instructions_of_its_first_releases) {
  const auto& program = programs::metaplex_metadata;
  const auto master = decoded_text(program, wire_bytes{}.u8(2).u8(1).u64(10), 13);
  EXPECT_NE(
      master.find(R"("edition":"<1>","maxSupply":10,"metadata":"<8>","mint":"<2>","mintAuthority":"<7>")"),
      std::string::npos)
      << master;
  EXPECT_NE(master.find(R"("oneTimePrintingAuthorizationMintAuthority":"<13>")"), std::string::npos);
  EXPECT_NE(master.find(R"("type":"deprecatedCreateMasterEdition"})"), std::string::npos);
  const auto edition = decoded_text(program, wire_bytes{}.u8(3), 15);
  EXPECT_NE(edition.find(R"("burnAuthority":"<9>")"), std::string::npos) << edition;
  EXPECT_EQ(edition.find("reservationList"), std::string::npos);
  EXPECT_EQ(decoded_text(program, wire_bytes{}.u8(3), 14), "none");
  EXPECT_EQ(decoded_text(program,
                         wire_bytes{}.u8(5).u32(1).fill(7, 32).u64(1).u64(2).u8(1).u64(3).u64(4).u64(5), 3),
            R"({"info":{"masterEdition":"<1>","offset":4,"reservationList":"<2>",)"
            R"("reservations":[{"address":"<7>","spotsRemaining":1,"totalSpots":2}],"resource":"<3>",)"
            R"("totalReservationSpots":3,"totalSpotOffset":5},"type":"deprecatedSetReservationList"})");
  EXPECT_EQ(decoded_text(program, wire_bytes{}.u8(6), 8),
            R"({"info":{"masterEdition":"<4>","metadata":"<6>","payer":"<2>","rent":"<8>",)"
            R"("reservationList":"<1>","resource":"<5>","systemProgram":"<7>","updateAuthority":"<3>"},)"
            R"("type":"deprecatedCreateReservationList"})");
  EXPECT_EQ(decoded_text(program, wire_bytes{}.u8(9).u64(6), 7),
            R"({"info":{"destination":"<1>","masterEdition":"<5>","metadata":"<4>","printingMint":"<2>",)"
            R"("rent":"<7>","supply":6,"tokenProgram":"<6>","updateAuthority":"<3>"},)"
            R"("type":"deprecatedMintPrintingTokens"})");
  EXPECT_NE(decoded_text(program, wire_bytes{}.u8(8).u64(6), 9).find(R"("supply":6)"), std::string::npos);
  EXPECT_EQ(decoded_text(program, wire_bytes{}.u8(8), 9), "none");
}

TEST(more_decoders, metaplex_optional_accounts_give_way_to_the_program) {
  // "burn" with all accounts the program's own: those that may be absent are.
  const auto data = wire_bytes{}.u8(41).u8(0).u64(1);
  std::vector<std::uint8_t> indexes(14, 0);
  const std::vector<pubkey> keys{programs::metaplex_metadata};
  std::string text;
  json_writer out(text);
  const more_decoders more;
  write_instruction(out, 0, indexes, data.view(), account_keys(keys, nullptr), std::nullopt, false, &more);
  EXPECT_EQ(text.find("edition"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("mint":)"), std::string::npos);
}

TEST(more_decoders, other_metaplex_accounts) {
  EXPECT_EQ(account(programs::metaplex_metadata, wire_bytes{}.u8(6).u64(3).u8(1).u64(10)),
            R"({"parsed":{"info":{"maxSupply":10,"supply":3},"type":"masterEdition"},)"
            R"("program":"metaplex-token-metadata","space":18})");
  EXPECT_EQ(account(programs::metaplex_metadata, wire_bytes{}.u8(1).fill(2, 32).u64(3)),
            R"({"parsed":{"info":{"edition":3,"parent":"<2>"},"type":"edition"},)"
            R"("program":"metaplex-token-metadata","space":41})");
  EXPECT_EQ(
      account(programs::metaplex_metadata,
              wire_bytes{}.u8(11).u8(255).u8(1).u8(0).u8(1).fill(2, 32).u8(1).u8(3).u8(0)),
      R"({"parsed":{"info":{"bump":255,"delegate":"<2>","delegateRole":"staking","lockedTransfer":null,)"
      R"("ruleSetRevision":null,"state":"locked"},"type":"tokenRecord"},)"
      R"("program":"metaplex-token-metadata","space":40})");
  EXPECT_EQ(account(programs::metaplex_metadata, wire_bytes{}.u8(0).fill(0, 100)), "none");
}

TEST(more_decoders, compute_budget_and_signature_checks) {
  EXPECT_EQ(decoded_text(programs::compute_budget, wire_bytes{}.u8(2).u32(200000), 0),
            R"({"info":{"units":200000},"type":"setComputeUnitLimit"})");
  EXPECT_EQ(decoded_text(programs::compute_budget, wire_bytes{}.u8(3).u64(~0ULL), 0),
            R"({"info":{"microLamports":18446744073709551615},"type":"setComputeUnitPrice"})");
  EXPECT_EQ(decoded_text(programs::compute_budget, wire_bytes{}.u8(3).u32(1), 0), "none");
  EXPECT_EQ(
      decoded_text(programs::ed25519_program,
                   wire_bytes{}.u8(1).u8(0).u16(48).u16(65535).u16(16).u16(65535).u16(112).u16(5).u16(65535),
                   0),
      R"({"info":{"signatures":[{"signature":{"instructionIndex":65535,"offset":48},)"
      R"("publicKey":{"instructionIndex":65535,"offset":16},"message":{"instructionIndex":65535,"offset":112,)"
      R"("size":5}}]},"type":"verify"})");
  EXPECT_EQ(decoded_text(programs::secp256k1_program, wire_bytes{}.u8(1).u16(1).u8(0), 0), "none");
  EXPECT_EQ(decoded_text(programs::config, wire_bytes{}.u8(1).fill(4, 32).u8(1).text("x"), 1),
            R"({"info":{"configAccount":"<1>","data":"eA==","keys":[{"pubkey":"<4>","signer":true}]},)"
            R"("type":"store"})");
}

TEST(more_decoders, interfaces_come_first_and_validators_decoders_before_them) {
  const one_idl source(programs::compute_budget, shop);
  const more_decoders more{.idls = &source};
  EXPECT_EQ(decoded_text(programs::compute_budget, wire_bytes{}.u8(5), 0, more),
            R"({"info":{"accounts":{},"args":{}},"type":"buy"})");
  EXPECT_EQ(decoded_text(programs::compute_budget, wire_bytes{}.u8(2).u32(1), 0, more),
            R"({"info":{"units":1},"type":"setComputeUnitLimit"})")
      << "what the interface does not know";
  const one_idl system(programs::system, shop);
  const more_decoders of_system{.idls = &system};
  EXPECT_EQ(decoded_text(programs::system, wire_bytes{}.u32(2).u64(5), 2, of_system),
            R"({"info":{"destination":"<2>","lamports":5,"source":"<1>"},"type":"transfer"})");
  EXPECT_EQ(decoded_text(programs::system, wire_bytes{}.u8(5), 0, of_system),
            R"({"info":{"accounts":{},"args":{}},"type":"buy"})");
  const one_idl of_key(key_of(3), shop);
  const more_decoders with_key{.idls = &of_key};
  EXPECT_EQ(account(key_of(3), wire_bytes{}.u8(9).u8(42), &with_key),
            R"({"parsed":{"info":{"price":42},"type":"Store"},"program":"shop","space":2})");
}

TEST(more_decoders, events_belong_to_the_program_that_logs_them) {
  const one_idl source(key_of(3), shop);
  const auto outer = key_of(4).to_string(), inner = key_of(3).to_string();
  const std::string data = "Program data: " + base64_encode(wire_bytes{}.u8(7).u8(42).view());
  const std::vector<std::string> lines = {"Program " + outer + " invoke [1]",
                                          data,  // of a program without an interface
                                          "Program " + inner + " invoke [2]",
                                          "Program log: Program " + outer + " success",
                                          data,
                                          "Program data: not base64",
                                          "Program " + inner + " success",
                                          data,
                                          "Program " + outer + " success"};
  const std::vector<std::string_view> logs(lines.begin(), lines.end());
  std::string text;
  json_writer out(text);
  write_log_events(out, logs, source);
  EXPECT_EQ(short_keys(text),
            R"("events":[{"parsed":{"event":"Store","info":{"price":42},"type":"event"},"program":"shop",)"
            R"("programId":"<3>"}])");
}

TEST(more_decoders, a_custom_error_has_the_name_of_the_program_that_failed_first) {
  const one_idl source(key_of(3), shop);
  const auto outer = key_of(4).to_string(), inner = key_of(3).to_string();
  const std::vector<std::string> lines = {"Program " + outer + " invoke [1]",
                                          "Program " + inner + " invoke [2]",
                                          "Program " + inner + " failed: custom program error: 0x1771",
                                          "Program " + outer + " failed: custom program error: 0x1771"};
  const std::vector<std::string_view> logs(lines.begin(), lines.end());
  const transaction_error e{.kind = transaction_error::instruction_error,
                            .instruction_kind = transaction_error::custom_error,
                            .custom = 6001};
  const auto shown = [&](const transaction_error& what) {
    std::string text;
    json_writer out(text);
    write_custom_error(out, what, logs, source);
    return short_keys(text);
  };
  EXPECT_EQ(shown(e), R"("customError":{"code":6001,"message":"pay more","name":"TooCheap","program":"shop",)"
                      R"("programId":"<3>"})");
  auto other = e;
  other.custom = 1;
  EXPECT_EQ(shown(other), "");
  EXPECT_EQ(shown({.kind = 1}), "");
}

TEST(more_decoders, account_data_in_every_text) {
  using encoding = account_encoding;
  EXPECT_EQ(decode_account_data("YWJj", encoding::base64).value(), "abc");
  EXPECT_EQ(decode_account_data("ZiCa", encoding::base58).value(), "abc");
  std::string text;
  json_writer out(text);
  const std::string data(5000, 'z');
  write_account(out, key_of(1), {key_of(2), 1, 0, false, as_bytes(data)}, encoding::base64_zstd, {}, {});
  const auto from = text.find("[\"") + 2;
  const auto packed = text.substr(from, text.find('"', from) - from);
  EXPECT_EQ(decode_account_data(packed, encoding::base64_zstd).value(), data);
  EXPECT_EQ(decode_account_data(packed, encoding::base64_zstd, 100).error().code, osvm::errc::limit_exceeded);
  EXPECT_EQ(decode_account_data("YWJj", encoding::base64_zstd).error().code, osvm::errc::malformed);
  EXPECT_EQ(decode_account_data("YWJ", encoding::base64).error().code, osvm::errc::malformed);
}

}  // namespace
}  // namespace osvm::solana::test
