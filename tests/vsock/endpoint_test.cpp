#include <gtest/gtest.h>

#include <osvm/vsock/endpoint.hpp>

namespace osvm {
namespace {

struct sample {
  const char* text;
  endpoint value;
  const char* canonical;
};

class good_endpoint : public testing::TestWithParam<sample> {};

TEST_P(good_endpoint, is_parsed_and_printed) {
  const auto parsed = parse_endpoint(GetParam().text);
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(*parsed, GetParam().value);
  EXPECT_EQ(to_string(*parsed), GetParam().canonical);
  EXPECT_EQ(*parse_endpoint(GetParam().canonical), *parsed);
}

INSTANTIATE_TEST_SUITE_P(
    all, good_endpoint,
    testing::Values(sample{"127.0.0.1:80", tcp_endpoint{"127.0.0.1", 80}, "tcp:127.0.0.1:80"},
                    sample{"tcp:0.0.0.0:0", tcp_endpoint{"0.0.0.0", 0}, "tcp:0.0.0.0:0"},
                    sample{"tcp:[::1]:65535", tcp_endpoint{"::1", 65535}, "tcp:[::1]:65535"},
                    sample{"unix:/a b:c", unix_endpoint{"/a b:c"}, "unix:/a b:c"},
                    sample{"unix:x", unix_endpoint{"x"}, "unix:x"},
                    sample{"hybrid:/v:1:52", hybrid_endpoint{"/v:1", 52}, "hybrid:/v:1:52"},
                    sample{"hybrid:/v:4294967294", hybrid_endpoint{"/v", 4294967294U},
                           "hybrid:/v:4294967294"}));

class bad_endpoint : public testing::TestWithParam<const char*> {};

TEST_P(bad_endpoint, is_refused_with_advice) {
  const auto parsed = parse_endpoint(GetParam());
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, errc::invalid_argument);
  EXPECT_NE(parsed.error().context.find("try"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(all, bad_endpoint,
                         testing::Values("", ":", "80", "localhost:80", "127.0.0.1",
                                         "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1: 80",
                                         "127.0.0.1:+80", "127.0.0.1:80x", "::1:80", "tcp:[127.0.0.1]:80",
                                         "tcp:[]:80", "unix:", "hybrid:", "hybrid:/v",
                                         "hybrid:/v:", "hybrid::52", "hybrid:/v:4294967295",
                                         "hybrid:/v:4294967296", "hybrid:/v:-1", "127.0.0.1\n:80"));

TEST(bad_endpoint_text, with_a_nul_byte_is_refused) {
  EXPECT_FALSE(parse_endpoint(std::string_view("unix:/a\0b", 9)));
}

TEST(bad_endpoint_text, is_never_repeated_raw) {
  const auto parsed = parse_endpoint("\x1b[2J:80");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().context.find('\x1b'), std::string::npos);
}

TEST(bad_endpoint_text, of_a_megabyte_gives_a_short_message) {
  const auto parsed = parse_endpoint(std::string(1 << 20, 'a'));
  ASSERT_FALSE(parsed);
  EXPECT_LT(parsed.error().context.size(), 300U);
}

}  // namespace
}  // namespace osvm
