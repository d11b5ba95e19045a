#include <osvm/net/url.hpp>

#include <gtest/gtest.h>

namespace osvm::net {
namespace {

TEST(url, reads_what_people_write) {
  const auto u = *parse_url("https://API.example.org/rpc?api-key=x");
  EXPECT_TRUE(u.tls);
  EXPECT_FALSE(u.websocket);
  EXPECT_EQ(u.host, "api.example.org");
  EXPECT_EQ(u.port, 443);
  EXPECT_EQ(u.target, "/rpc?api-key=x");
  EXPECT_EQ(u.authority(), "api.example.org");
  const auto v6 = *parse_url("ws://[::1]:8900");
  EXPECT_TRUE(v6.websocket);
  EXPECT_EQ(v6.host, "::1");
  EXPECT_EQ(v6.authority(), "[::1]:8900");
  EXPECT_EQ(v6.target, "/");
  EXPECT_EQ(parse_url("http://h?x=1")->target, "/?x=1");
  EXPECT_EQ(parse_url("wss://h")->port, 443);
  const auto local = *parse_url("unix:/run/node.sock");
  EXPECT_EQ(local.unix_path, "/run/node.sock");
  EXPECT_EQ(local.authority(), "localhost");
}

TEST(url, what_is_shown_holds_no_key) {
  EXPECT_EQ(parse_url("https://h/secret?key=1")->origin(), "https://h");
  EXPECT_EQ(parse_url("http://h:81/secret")->origin(), "http://h:81");
}

TEST(url, refuses_the_rest) {
  for (const char* text :
       {"", "h", "ftp://h", "http://", "http:///x", "http://user@h/", "http://h:0", "http://h:65536",
        "http://h:1x", "http://h:", "http://[::1", "http://[::1]x", "http://[zz]", "http://h/a b",
        "http://h/\r\nX: y", "http://h/#f", "http://h o", "unix:", "http://\xc3\xa4/"})
    EXPECT_EQ(parse_url(text).error().code, errc::bad_url) << text;
  EXPECT_FALSE(parse_url("http://h/" + std::string(5000, 'a')));
  EXPECT_FALSE(parse_url(std::string_view("unix:/a\0b", 9)));
}

}  // namespace
}  // namespace osvm::net
