#include <osvm/solana/json_slices.hpp>
#include <osvm/solana/rpc_client.hpp>

#include <gtest/gtest.h>

namespace osvm::solana {
namespace {

TEST(rpc_answer, a_result_is_given_as_it_was_written) {
  for (const char* value :
       {"1.0", "18446744073709551615", "null", "[1, {\"a\":\"]}\\\"\"}]", "\"a,b\"", "{}", "1e400"}) {
    const auto text = std::string("{\"jsonrpc\":\"2.0\", \"result\" : ") + value + " ,\"id\":7}";
    const auto r = read_rpc_answer(text, "7");
    ASSERT_TRUE(r) << value;
    EXPECT_EQ(*r, value);
  }
}

TEST(rpc_answer, a_node_s_error_is_given_word_for_word) {
  const auto r = read_rpc_answer(
      R"({"jsonrpc":"2.0","error":{"code":-32002,"message":"failed\u001b[31m","data":{"err":1.0}},"id":7})",
      "7");
  ASSERT_TRUE(r.error().answer);
  EXPECT_EQ(r.error().answer->code, -32002);
  EXPECT_EQ(r.error().answer->message, "failed\x1b[31m");
  EXPECT_EQ(r.error().answer->data, "{\"err\":1.0}");
  EXPECT_EQ(r.error().error.code, rpc_errc::answered);
  EXPECT_EQ(r.error().error.context, "failed\\x1b[31m (-32002)");  // safe to show
  EXPECT_EQ(read_rpc_answer(R"({"error":{"code":1,"message":"m"},"id":null})", "7").error().answer->code, 1);
}

TEST(rpc_answer, what_is_no_answer_to_this_call_is_refused) {
  for (const char* text : {"", "nonsense", "[]", "{}", "7", R"({"result":1})", R"({"result":1,"id":8})",
                           R"({"result":1,"id":"7"})", R"({"id":7})", R"({"error":{},"id":7})",
                           R"({"error":{"code":1,"message":"m"},"id":8})", R"({"result":1,"id":7}x)"})
    EXPECT_EQ(read_rpc_answer(text, "7").error().error.code, rpc_errc::bad_answer) << text;
  EXPECT_FALSE(
      read_rpc_answer("{\"id\":7,\"result\":" + std::string(100, '[') + std::string(100, ']') + "}", "7"));
}

TEST(rpc_answer, only_what_reads_may_be_repeated) {
  for (const char* m : {"getSlot", "isBlockhashValid", "simulateTransaction", "minimumLedgerSlot"})
    EXPECT_TRUE(is_repeatable(m));
  for (const char* m : {"sendTransaction", "requestAirdrop", "slotSubscribe", ""})
    EXPECT_FALSE(is_repeatable(m));
}

TEST(json_slices, the_last_member_of_a_name_wins) {
  EXPECT_EQ(json_member(R"({"a":1,"b":{"a":2},"a":[3]})", "a"), "[3]");
  EXPECT_EQ(json_member(R"({"a":1})", "b"), std::nullopt);
  EXPECT_EQ(json_member("{}", "a"), std::nullopt);
  EXPECT_EQ(json_member("[]", "a"), std::nullopt);
}

}  // namespace
}  // namespace osvm::solana
