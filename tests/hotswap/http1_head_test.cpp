// The head parser against scripts: each is fed whole and byte by byte, which must make no difference.
#include "hotswap/http1/head.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace osvm::hotswap::http1 {
namespace {

struct parsed {
  head_error error = head_error::none;
  std::size_t size = 0;
  std::string bytes;
  request_head head;
};

void parse_in_steps(const std::string& text, std::size_t step, const head_limits& limits, parsed& out) {
  head_scanner scanner;
  out.error = head_error::none;
  out.size = 0;
  for (std::size_t n = std::min(step, text.size());; n = std::min(n + step, text.size())) {
    const auto r = scanner.scan(std::string_view(text).substr(0, n), limits.max_head);
    out.error = r.error;
    out.size = r.size;
    if (r.error != head_error::none || r.size != 0 || n == text.size()) break;
  }
  if (out.error != head_error::none || out.size == 0) return;
  out.bytes = text.substr(0, out.size);
  out.error = parse_request(out.bytes, limits, out.head);
}

parsed parse(const std::string& text, const head_limits& limits = {}) {
  parsed whole, bytewise;
  parse_in_steps(text, text.size(), limits, whole);
  parse_in_steps(text, 1, limits, bytewise);
  EXPECT_EQ(whole.error, bytewise.error) << text;
  EXPECT_EQ(whole.size, bytewise.size) << text;
  return whole;
}

head_error error_of(const std::string& text, const head_limits& limits = {}) {
  return parse(text, limits).error;
}

TEST(http1_head, takes_a_plain_request) {
  parsed p;
  parse_in_steps("GET /a?b=c HTTP/1.1\r\nHost: example.org:80\r\nX-A:  v \r\nEmpty:\r\n\r\nrest", 7, {}, p);
  ASSERT_EQ(p.error, head_error::none);
  EXPECT_EQ(p.bytes.substr(p.bytes.size() - 4), "\r\n\r\n");
  EXPECT_EQ(p.head.method, "GET");
  EXPECT_EQ(p.head.path, "/a?b=c");
  EXPECT_EQ(p.head.host, "example.org:80");
  EXPECT_EQ(p.head.find("x-a"), "v");
  EXPECT_EQ(p.head.body, body_kind::none);
  EXPECT_FALSE(p.head.close);
  EXPECT_TRUE(p.head.idempotent());
}

TEST(http1_head, keep_alive_follows_version_and_connection) {
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head.close);
  EXPECT_TRUE(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n").head.close);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\n\r\n").head.close);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").head.close);
}

TEST(http1_head, absolute_form_gives_authority_and_path) {
  parsed p;
  parse_in_steps("GET http://real.example/p?q HTTP/1.1\r\nHost: other\r\n\r\n", 1000, {}, p);
  ASSERT_EQ(p.error, head_error::none);
  EXPECT_EQ(p.head.authority, "real.example");
  EXPECT_EQ(p.head.path, "/p?q");
}

TEST(http1_head, hop_by_hop_fields_are_known_and_listed_ones_too) {
  parsed p;
  parse_in_steps(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Secret, host, content-length\r\nX-Secret: 1\r\n\r\n", 1000,
      {}, p);
  ASSERT_EQ(p.error, head_error::none);
  EXPECT_TRUE(p.head.hop_by_hop("x-secret"));
  EXPECT_TRUE(p.head.hop_by_hop("Keep-Alive"));
  EXPECT_TRUE(p.head.hop_by_hop("TE"));
  EXPECT_FALSE(p.head.hop_by_hop("Host"));            // the list cannot take away what the message is framed
  EXPECT_FALSE(p.head.hop_by_hop("Content-Length"));  // and routed by
  EXPECT_FALSE(p.head.hop_by_hop("Cookie"));
}

struct bad_case {
  const char* name;
  std::string text;
  head_error error;
};

std::string with(const std::string& field) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + field + "\r\n\r\n";
}

// What request smuggling is made of, and what servers are known to read in different ways.
const std::vector<bad_case>& smuggling_corpus() {
  static const std::vector<bad_case> all = {
      {"CL.TE", with("Content-Length: 6\r\nTransfer-Encoding: chunked"), head_error::ambiguous_length},
      {"TE.CL", with("Transfer-Encoding: chunked\r\nContent-Length: 3"), head_error::ambiguous_length},
      {"two lengths", with("Content-Length: 3\r\nContent-Length: 4"), head_error::bad_content_length},
      {"same length twice", with("Content-Length: 3\r\nContent-Length: 3"), head_error::bad_content_length},
      {"length list", with("Content-Length: 3, 3"), head_error::bad_content_length},
      {"signed length", with("Content-Length: +3"), head_error::bad_content_length},
      {"negative length", with("Content-Length: -1"), head_error::bad_content_length},
      {"hexadecimal length", with("Content-Length: 0x3"), head_error::bad_content_length},
      {"empty length", with("Content-Length:"), head_error::bad_content_length},
      {"inner space in length", with("Content-Length: 1 0"), head_error::bad_content_length},
      {"length over 64 bits", with("Content-Length: 18446744073709551617"), head_error::bad_content_length},
      {"TE twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
       head_error::bad_transfer_encoding},
      {"TE identity", with("Transfer-Encoding: identity"), head_error::unsupported_coding},
      {"TE list", with("Transfer-Encoding: gzip, chunked"), head_error::unsupported_coding},
      {"TE chunked chunked", with("Transfer-Encoding: chunked, chunked"), head_error::unsupported_coding},
      {"TE xchunked", with("Transfer-Encoding: xchunked"), head_error::unsupported_coding},
      {"TE quoted", with("Transfer-Encoding: \"chunked\""), head_error::unsupported_coding},
      {"TE with parameter", with("Transfer-Encoding: chunked;q=1"), head_error::unsupported_coding},
      {"TE empty", with("Transfer-Encoding:"), head_error::bad_transfer_encoding},
      {"TE with vertical tab",
       with("Transfer-Encoding: \x0b"
            "chunked"),
       head_error::bad_field_value},
      {"TE with space before colon", with("Transfer-Encoding : chunked"), head_error::bad_field_name},
      {"TE with tab before colon", with("Transfer-Encoding\t: chunked"), head_error::bad_field_name},
      {"TE folded", with("Transfer-Encoding:\r\n chunked"), head_error::bad_transfer_encoding},
      {"TE after folded field", with("X: y\r\n Transfer-Encoding: chunked"), head_error::folded_field},
      {"TE with underscore", with("Transfer_Encoding: chunked"), head_error::bad_field_name},
      {"length with underscore", with("Content_Length: 3"), head_error::bad_field_name},
      {"TE in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
       head_error::bad_transfer_encoding},
      {"bare LF after a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", head_error::bare_lf},
      {"bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", head_error::bare_lf},
      {"bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", head_error::bare_lf},
      {"bare CR in a value", with("X: a\rb"), head_error::bare_cr},
      {"bare CR hides a field", with("X: a\rContent-Length: 5"), head_error::bare_cr},
      {"CR CR LF", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", head_error::bare_cr},
      {"NUL in a value", with(std::string("X: a\0b", 6)), head_error::bad_field_value},
      {"NUL in a name", with(std::string("X\0: a", 5)), head_error::bad_field_name},
      {"no colon", with("Justtext"), head_error::bad_field_name},
      {"empty name", with(": v"), head_error::bad_field_name},
      {"space in a name", with("Content Length: 3"), head_error::bad_field_name},
      {"fold before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", head_error::folded_field},
      {"two hosts", with("Host: b"), head_error::bad_host},
      {"no host", "GET / HTTP/1.1\r\n\r\n", head_error::missing_host},
      {"host with user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", head_error::bad_host},
      {"host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", head_error::bad_host},
      {"host with list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", head_error::bad_host},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", head_error::bad_target},
      {"tab as separator", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", head_error::bad_request_line},
      {"trailing space", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", head_error::bad_request_line},
      {"HTTP/0.9", "GET /\r\n\r\n", head_error::bad_request_line},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\n", head_error::bad_version},
      {"HTTP/1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", head_error::bad_request_line},
      {"lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", head_error::bad_request_line},
      {"fragment in the target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", head_error::bad_target},
      {"control in the target", "GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n", head_error::bad_target},
      {"high byte in the target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", head_error::bad_target},
      {"relative target", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", head_error::bad_target},
      {"star for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", head_error::bad_target},
      {"absolute form with user", "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", head_error::bad_target},
      {"bad method", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", head_error::bad_method},
      {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", head_error::unsupported_method},
  };
  return all;
}

TEST(http1_head, refuses_the_smuggling_corpus) {
  for (const auto& c : smuggling_corpus())
    EXPECT_STREQ(to_string(error_of(c.text)), to_string(c.error)) << c.name;
}

TEST(http1_head, bounds_hold_and_raised_bounds_let_the_same_head_pass) {
  const std::string big = with("X: " + std::string(40'000, 'a'));
  EXPECT_EQ(error_of(big), head_error::too_large);
  EXPECT_EQ(error_of(big, {.max_head = 50'000}), head_error::none);

  std::string many;
  for (int i = 0; i < 130; ++i) many += "A" + std::to_string(i) + ": b\r\n";
  const std::string bomb = "GET / HTTP/1.1\r\nHost: a\r\n" + many + "\r\n";
  EXPECT_EQ(error_of(bomb), head_error::too_many_fields);
  EXPECT_EQ(error_of(bomb, {.max_fields = 200}), head_error::none);

  const std::string far = "GET /" + std::string(9'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(error_of(far), head_error::target_too_long);
  EXPECT_EQ(error_of(far, {.max_target = 10'000}), head_error::none);
}

TEST(http1_head, an_endless_line_is_refused_at_the_bound_without_its_end) {
  EXPECT_EQ(error_of("GET /" + std::string(40'000, 'a')), head_error::too_large);
}

struct response_case {
  const char* text;
  bool to_head;
  head_error error;
  body_kind body;
  bool close;
};

TEST(http1_head, response_framing) {
  const response_case all[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, head_error::none, body_kind::length, false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, head_error::none, body_kind::none, false},
      {"HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n", false, head_error::none, body_kind::chunked,
       false},
      {"HTTP/1.1 200\r\n\r\n", false, head_error::none, body_kind::until_close, true},
      {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, head_error::none, body_kind::length, true},
      {"HTTP/1.1 204 No Content\r\n\r\n", false, head_error::none, body_kind::none, false},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, head_error::none, body_kind::none,
       false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, head_error::none, body_kind::none, false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", false,
       head_error::ambiguous_length, body_kind::none, false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", false,
       head_error::bad_content_length, body_kind::none, false},
      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, head_error::bad_transfer_encoding,
       body_kind::none, false},
      {"HTTP/1.1 20 OK\r\n\r\n", false, head_error::bad_status_line, body_kind::none, false},
      {"HTTP/1.1 2000 OK\r\n\r\n", false, head_error::bad_status_line, body_kind::none, false},
      {"HTTP/2 200 OK\r\n\r\n", false, head_error::bad_status_line, body_kind::none, false},
      {"ICY 200 OK......\r\n\r\n", false, head_error::bad_status_line, body_kind::none, false},
  };
  for (const auto& c : all) {
    response_head h;
    const auto e = parse_response(c.text, {}, c.to_head, h);
    EXPECT_STREQ(to_string(e), to_string(c.error)) << c.text;
    if (e != head_error::none) continue;
    EXPECT_EQ(h.body, c.body) << c.text;
    EXPECT_EQ(h.close, c.close) << c.text;
  }
}

}  // namespace
}  // namespace osvm::hotswap::http1
