// Recorded answers of validators, encoded anew from wire bytes and stored statuses: run where OSVM_TEST_DATA
// names the folder that holds them.
#include <osvm/solana/encode.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "json_import.hpp"

namespace osvm::ledger::test {
namespace {

class recorded : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("OSVM_TEST_DATA");
    if (!folder || !std::filesystem::is_directory(std::string(folder) + "/blocks"))
      GTEST_SKIP() << "NOT APPLICABLE: OSVM_TEST_DATA names no folder with blocks";
    path = std::string(folder) + "/blocks/";
  }
  json::value read(const std::string& name) const {
    std::ifstream in(path + name);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    auto v = json::parse(text);
    return v.as_object().contains("result") ? v.at("result") : v;
  }
  // One transaction of a recorded base64 answer in another encoding.
  static json::value encode(const json::value& tx, solana::encode_options options) {
    const auto wire = *solana::base64_decode(text_of(tx.at("transaction").at(0)));
    const auto stored = import_meta(tx.at("meta"));
    solana::transaction_view view;
    EXPECT_TRUE(solana::parse_transaction(wire, view));
    EXPECT_TRUE(solana::sanitize(view));
    const auto meta = solana::parse_transaction_meta(as_bytes(stored));
    EXPECT_TRUE(meta);
    std::string text;
    solana::json_writer out(text);
    out.begin_object();
    const auto done = solana::write_transaction_fields(out, wire, view, &*meta, options);
    EXPECT_TRUE(done) << done.error().to_string();
    out.end_object();
    return json::parse(text);
  }
  // Doubles that JSON wrote as integers, so that 1.0 equals 1.
  static void compare(const json::value& got, const json::value& wanted, const std::string& where) {
    if (wanted.is_object() && got.is_object()) {
      for (const auto& [name, value] : wanted.as_object()) {
        const auto* mine = got.as_object().if_contains(name);
        ASSERT_TRUE(mine) << where << " lacks " << name;
        compare(*mine, value, where + "." + std::string(name));
      }
      EXPECT_EQ(got.as_object().size(), wanted.as_object().size())
          << where << " has more: " << json::serialize(got);
    } else if (wanted.is_array() && got.is_array()) {
      ASSERT_EQ(got.as_array().size(), wanted.as_array().size()) << where;
      for (std::size_t i = 0; i < wanted.as_array().size(); ++i)
        compare(got.at(i), wanted.at(i), where + "[" + std::to_string(i) + "]");
    } else if (wanted.is_number() && got.is_number()) {
      EXPECT_EQ(json::serialize(got), json::serialize(wanted)) << where;
    } else {
      EXPECT_EQ(got, wanted) << where;
    }
  }
  std::string path;
};

TEST_F(recorded, mainnet_block_encoded_anew_from_its_wire_form) {
  const auto block = read("mainnet-254170887.base64.json");
  std::size_t n = 0;
  for (const auto& tx : block.at("transactions").as_array()) {
    auto wanted = tx;
    const auto got = encode(tx, {.encoding = solana::transaction_encoding::base64, .max_version = 0});
    compare(got, wanted, "transaction " + std::to_string(n++));
    if (HasFailure()) return;
    // And every other form is at least well formed.
    (void)encode(tx, {.encoding = solana::transaction_encoding::json_parsed, .max_version = 0});
  }
  EXPECT_EQ(n, 602u);
}

TEST_F(recorded, a_block_in_three_encodings) {
  const auto base64 = read("get_block_base64_encoding.json");
  for (const auto& [name, encoding] :
       {std::pair{"get_block_json_encoding.json", solana::transaction_encoding::json},
        std::pair{"get_block_json_parsed_encoding.json", solana::transaction_encoding::json_parsed},
        std::pair{"get_block_base64_encoding.json", solana::transaction_encoding::base64}}) {
    const auto wanted = read(name);
    for (std::size_t i = 0; i < base64.at("transactions").as_array().size(); ++i) {
      const auto got =
          encode(base64.at("transactions").at(i), {.encoding = encoding, .without_stack_height = true});
      compare(got, wanted.at("transactions").at(i), std::string(name) + " " + std::to_string(i));
      if (HasFailure()) return;
    }
  }
}

TEST_F(recorded, a_transaction_in_three_encodings) {
  const auto base64 = read("get_transaction_base64_encoding.json");
  for (const auto& [name, encoding] :
       {std::pair{"get_transaction_json_encoding.json", solana::transaction_encoding::json},
        std::pair{"get_transaction_json_parsed_encoding.json", solana::transaction_encoding::json_parsed}}) {
    auto wanted = read(name);
    wanted.as_object().erase("slot");
    wanted.as_object().erase("blockTime");
    compare(encode(base64, {.encoding = encoding, .without_stack_height = true}), wanted, name);
  }
}

}  // namespace
}  // namespace osvm::ledger::test
