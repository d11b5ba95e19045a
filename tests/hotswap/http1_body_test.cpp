// The body reader against scripts, fed whole and byte by byte.
#include "hotswap/http1/body.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace osvm::hotswap::http1 {
namespace {

struct outcome {
  std::string data, rest;
  bool done = false;
  body_error error = body_error::none;
};

outcome read_in_steps(body_kind kind, std::uint64_t length, std::string text, std::size_t step,
                      std::uint64_t max_body) {
  body_reader r;
  r.start(kind, length, max_body, 2);
  outcome o;
  std::size_t at = 0;
  while (at < text.size() && !r.done() && r.error() == body_error::none) {
    std::string piece = text.substr(at, step);
    const auto s = r.take({piece.data(), piece.size()});
    o.data += piece.substr(0, s.data);
    at += s.consumed;
    if (s.consumed < piece.size()) break;
  }
  o.rest = text.substr(at);
  o.done = r.done();
  o.error = r.error();
  return o;
}

outcome read(body_kind kind, std::uint64_t length, const std::string& text, std::uint64_t max_body = 0) {
  const auto whole = read_in_steps(kind, length, text, text.size() + 1, max_body);
  const auto bytewise = read_in_steps(kind, length, text, 1, max_body);
  if (whole.error == body_error::none) {
    EXPECT_EQ(whole.data, bytewise.data) << text;
  }
  EXPECT_EQ(whole.done, bytewise.done) << text;
  EXPECT_EQ(whole.error, bytewise.error) << text;
  if (whole.done) {
    EXPECT_EQ(whole.rest, bytewise.rest) << text;
  }
  return whole;
}

TEST(http1_body, length_ends_where_it_says) {
  const auto o = read(body_kind::length, 5, "helloGET /");
  EXPECT_TRUE(o.done);
  EXPECT_EQ(o.data, "hello");
  EXPECT_EQ(o.rest, "GET /");
  EXPECT_FALSE(read(body_kind::length, 5, "hell").done);
}

TEST(http1_body, chunks_are_joined_extensions_and_trailers_dropped) {
  const auto o = read(body_kind::chunked, 0, "5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\nX-T: 1\r\n\r\nNEXT");
  EXPECT_TRUE(o.done);
  EXPECT_EQ(o.data, "hello world");
  EXPECT_EQ(o.rest, "NEXT");
  EXPECT_TRUE(read(body_kind::chunked, 0, "0\r\n\r\n").done);
  EXPECT_EQ(read(body_kind::chunked, 0, "00A\r\n0123456789\r\n0\r\n\r\n").data, "0123456789");
}

TEST(http1_body, bad_chunks_are_refused) {
  const std::pair<std::string, body_error> all[] = {
      {"\r\nhello", body_error::bad_chunk_size},
      {"5\nhello\r\n", body_error::bad_chunk_size},
      {"-1\r\n", body_error::bad_chunk_size},
      {"0x5\r\nhello\r\n", body_error::bad_chunk_size},
      {"5 \r\nhello\r\n", body_error::bad_chunk_size},
      {" 5\r\nhello\r\n", body_error::bad_chunk_size},
      {"5\r\rhello", body_error::bad_chunk_size},
      {"5;a\nhello\r\n", body_error::bad_chunk_size},
      {"5;a\x01\r\nhello\r\n", body_error::bad_chunk_size},
      {"5\r\nhelloX\r\n", body_error::bad_chunk_end},
      {"5\r\nhello\n0\r\n\r\n", body_error::bad_chunk_end},
      {"5\r\nhello\r0", body_error::bad_chunk_end},
      {"fffffffffffffffff\r\n", body_error::bad_chunk_size},
      {"0\r\n X: y\r\n\r\n", body_error::bad_trailer},
      {"0\r\nX y: y\r\n\r\n", body_error::bad_trailer},
      {"0\r\nX: y\n\r\n", body_error::bad_trailer},
      {"0\r\n\n", body_error::bad_trailer},
      {"0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", body_error::too_many_trailers},
      {"5;" + std::string(300, 'a') + "\r\n", body_error::line_too_long},
      {std::string(300, '0') + "5\r\n", body_error::line_too_long},
  };
  for (const auto& [text, error] : all) {
    EXPECT_STREQ(to_string(read(body_kind::chunked, 0, text).error), to_string(error)) << text;
  }
}

TEST(http1_body, the_size_bound_holds_in_every_framing) {
  EXPECT_EQ(read(body_kind::chunked, 0, "8\r\n12345678\r\n8\r\n", 10).error, body_error::too_large);
  EXPECT_EQ(read(body_kind::chunked, 0, "8\r\n12345678\r\n2\r\n12\r\n0\r\n\r\n", 10).error, body_error::none);
  EXPECT_EQ(read(body_kind::length, 11, "x", 10).error, body_error::too_large);
  EXPECT_EQ(read(body_kind::until_close, 0, std::string(11, 'x'), 10).error, body_error::too_large);
}

TEST(http1_body, only_a_body_until_close_may_end_with_the_connection) {
  body_reader r;
  r.start(body_kind::until_close, 0, 0, 0);
  EXPECT_TRUE(r.finish());
  r.start(body_kind::length, 5, 0, 0);
  EXPECT_FALSE(r.finish());
  r.start(body_kind::chunked, 0, 0, 0);
  EXPECT_FALSE(r.finish());
}

}  // namespace
}  // namespace osvm::hotswap::http1
