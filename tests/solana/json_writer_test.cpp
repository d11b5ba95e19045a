#include <osvm/solana/json_writer.hpp>

#include <gtest/gtest.h>

#include <limits>

namespace osvm::solana {
namespace {

TEST(json_writer, doubles_look_as_serde_json_prints_them) {
  EXPECT_EQ(json_double(0), "0.0");
  EXPECT_EQ(json_double(-0.0), "-0.0");
  EXPECT_EQ(json_double(1), "1.0");
  EXPECT_EQ(json_double(2.370537948), "2.370537948");
  EXPECT_EQ(json_double(1e15), "1000000000000000.0");
  EXPECT_EQ(json_double(1e16), "1e16");
  EXPECT_EQ(json_double(1.5e300), "1.5e300");
  EXPECT_EQ(json_double(0.00001), "0.00001");
  EXPECT_EQ(json_double(0.000001), "1e-6");
  EXPECT_EQ(json_double(-123.25), "-123.25");
  EXPECT_EQ(json_double(std::numeric_limits<double>::infinity()), "null");
}

TEST(json_writer, rust_display_has_no_exponent) {
  EXPECT_EQ(rust_display(1), "1");
  EXPECT_EQ(rust_display(1e20), "100000000000000000000");
  EXPECT_EQ(rust_display(0.1), "0.1");
  EXPECT_EQ(rust_display(1e-7), "0.0000001");
}

TEST(json_writer, nests_and_escapes) {
  std::string text;
  json_writer out(text);
  out.begin_object();
  out.field("a", "q\"\\\n\x01\x7f");
  out.field("b", std::uint64_t{18446744073709551615U});
  out.key("c");
  out.begin_array();
  out.number(std::int64_t{-1});
  out.null();
  out.boolean(true);
  out.begin_object();
  out.end_object();
  out.end_array();
  out.field("d", "bad \xff utf");
  out.end_object();
  EXPECT_EQ(text,
            "{\"a\":\"q\\\"\\\\\\n\\u0001\x7f\",\"b\":18446744073709551615,\"c\":[-1,null,true,{}],\"d\":"
            "\"bad \xef\xbf\xbd utf\"}");
}

}  // namespace
}  // namespace osvm::solana
