#include <gtest/gtest.h>

#include <osvm/vsock/handshake.hpp>

namespace osvm::vsock {
namespace {

TEST(handshake, accepts_a_line_and_leaves_what_follows) {
  const auto line = parse_connect("CONNECT 52\nGET /");
  ASSERT_TRUE(line);
  ASSERT_TRUE(*line);
  EXPECT_EQ(**line, (handshake_line{.port = 52, .size = 11}));
}

TEST(handshake, accepts_the_whole_range_of_ports) {
  EXPECT_EQ((*parse_connect("CONNECT 0\n"))->port, 0U);
  EXPECT_EQ((*parse_connect("CONNECT 4294967294\n"))->port, 4294967294U);
  EXPECT_EQ((*parse_ok("OK 1073741824\n"))->port, 1U << 30);
}

TEST(handshake, formats_what_it_parses) {
  for (const std::uint32_t port : {0U, 1U, 52U, 4294967294U}) {
    EXPECT_EQ((*parse_connect(format_connect(port)))->port, port);
    EXPECT_EQ((*parse_ok(format_ok(port)))->port, port);
    EXPECT_LE(format_connect(port).size(), max_handshake_line);
  }
}

// Whatever way the line is cut, each part of it asks for more, and the whole of it is taken.
TEST(handshake, asks_for_more_after_every_proper_prefix) {
  const std::string line = "CONNECT 4294967294\n";
  for (std::size_t n = 0; n < line.size(); ++n) {
    const auto part = parse_connect(line.substr(0, n));
    ASSERT_TRUE(part) << n;
    EXPECT_FALSE(*part) << n;
  }
  EXPECT_TRUE(*parse_connect(line));
}

class malformed : public testing::TestWithParam<const char*> {};

TEST_P(malformed, is_refused) {
  const auto line = parse_connect(GetParam());
  ASSERT_FALSE(line) << GetParam();
  EXPECT_EQ(line.error().code, errc::malformed);
}

INSTANTIATE_TEST_SUITE_P(all, malformed,
                         testing::Values("connect 52\n", "CONNECT  52\n", "CONNECT\t52\n", "CONNECT 52\r\n",
                                         "CONNECT 52 \n", "CONNECT -1\n", "CONNECT +1\n", "CONNECT 0x10\n",
                                         "CONNECT 010\n", "CONNECT 00\n", "CONNECT 4294967295\n",
                                         "CONNECT 4294967296\n", "CONNECT 99999999999", "CONNECT \n",
                                         "CONNECT\n", "\nCONNECT 5\n", "OK 52\n", "GET / HTTP/1.1\r\n",
                                         " CONNECT 5\n", "X", "CONNECT 5x", "CONNECT 1e3\n", "\n"));

TEST(handshake, refuses_nul_bytes) {
  EXPECT_FALSE(parse_connect(std::string_view("CONNECT 5\0\n", 11)));
  EXPECT_FALSE(parse_connect(std::string_view("\0", 1)));
}

TEST(handshake, decides_within_its_bound) {
  // No input of max_handshake_line bytes may ask for more.
  for (const char fill : {'C', ' ', '0', '1', '\n', 'x'}) {
    for (std::size_t keep = 0; keep <= 9; ++keep) {
      std::string text = std::string("CONNECT 1").substr(0, keep);
      text.resize(max_handshake_line, fill);
      const auto line = parse_connect(text);
      EXPECT_TRUE(!line || *line) << text;
    }
  }
}

}  // namespace
}  // namespace osvm::vsock
