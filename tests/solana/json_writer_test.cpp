#include <osvm/solana/json_writer.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <random>

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

// The same values one by one, and ahead of the string's size across its pieces.
void write_much(json_writer& out, unsigned seed) {
  std::mt19937 random(seed);
  out.begin_array();
  for (int i = 0; i < 4000; ++i) {
    const std::string text(random() % (i % 100 == 0 ? 40000 : 40), static_cast<char>('a' + random() % 26));
    switch (random() % 8) {
      case 0: out.string(text); break;
      case 1: out.string(text + "\"\n" + text); break;
      case 2: out.number(std::uint64_t{random()} << (random() % 33)); break;
      case 3: out.number(-static_cast<std::int64_t>(random())); break;
      case 4: out.base58(as_bytes(text).first(text.size() % 41)); break;
      case 5: out.base64(as_bytes(text)); break;
      case 6: out.raw("{}"); break;
      default:
        out.begin_object();
        out.field("name", std::string_view(text));
        out.field("flag", text.empty());
        out.end_object();
    }
    if (i % 1000 == 0) out.text().push_back(' ');
  }
  out.end_array();
}

TEST(json_writer, writing_ahead_gives_the_same) {
  for (unsigned seed = 0; seed < 3; ++seed) {
    std::string plain = "x", ahead = "x";
    json_writer one(plain);
    json_writer other(ahead, json_writer::ahead{});
    write_much(one, seed);
    write_much(other, seed);
    other.finish();
    ASSERT_GT(plain.size(), 100'000u);
    ASSERT_TRUE(plain == ahead) << seed;
    other.finish();
    EXPECT_EQ(ahead.size(), plain.size());
  }
}

TEST(json_writer, copies_texts_of_every_size_and_finds_what_to_escape_anywhere) {
  for (std::size_t size = 0; size < 70; ++size)
    for (std::size_t at = 0; at <= size; ++at) {
      std::string text(size, 'k'), out;
      if (at < size) text[at] = '"';
      json_writer(out).string(text);
      const std::string expected = at < size ? text.substr(0, at) + "\\" + text.substr(at) : text;
      ASSERT_EQ(out, '"' + expected + '"');
    }
}

}  // namespace
}  // namespace osvm::solana
