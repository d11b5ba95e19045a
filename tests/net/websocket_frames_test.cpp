#include <osvm/net/websocket_frames.hpp>

#include <gtest/gtest.h>

namespace osvm::net {
namespace {

using kind = websocket_message::kind;

std::string frame(unsigned first, std::string_view data) {
  std::string out{static_cast<char>(first), static_cast<char>(data.size())};
  return out + std::string(data);
}

// All messages of `bytes` as a client reads them, fed `step` bytes at a time.
std::vector<websocket_message> read_all(std::string_view bytes, std::size_t step) {
  websocket_reader r(websocket_role::client, 1000);
  std::vector<websocket_message> out;
  for (std::size_t i = 0; i < bytes.size(); i += step) {
    r.feed(bytes.substr(i, step));
    for (auto m = r.next(); m.value(); m = r.next()) out.push_back(std::move(**m));
  }
  return out;
}

std::uint16_t failure(std::string_view bytes, std::size_t limit = 1000,
                      websocket_role role = websocket_role::client) {
  websocket_reader r(role, limit);
  r.feed(bytes);
  for (;;) {
    auto m = r.next();
    if (!m) return r.failure_code();
    if (!*m) return 0;
  }
}

TEST(websocket_frames, the_rfc_s_examples) {
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  const std::string masked("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
  websocket_reader server(websocket_role::server, 100);
  server.feed(masked);
  EXPECT_EQ((*server.next())->data, "Hello");
  std::string made;
  append_websocket_frame(made, kind::text, "Hello", 0x3d21fa37);
  EXPECT_EQ(made, masked);
}

TEST(websocket_frames, fragments_and_what_comes_between_in_any_pieces) {
  const auto bytes = frame(0x01, "Hel") + frame(0x89, "?") + frame(0x00, "lo") + frame(0x80, "!") +
                     frame(0x82, std::string("\0\xff", 2)) +
                     frame(0x88, std::string("\x03\xe8"
                                             "bye",
                                             5));
  for (std::size_t step : {1, 2, 3, 7, 1000}) {
    const auto all = read_all(bytes, step);
    ASSERT_EQ(all.size(), 4U);
    EXPECT_EQ(all[0].type, kind::ping);
    EXPECT_EQ(all[1].data, "Hello!");
    EXPECT_EQ(all[2].type, kind::binary);
    EXPECT_EQ(all[3].code, 1000);
    EXPECT_EQ(all[3].data, "bye");
  }
}

TEST(websocket_frames, every_length_form_comes_back) {
  for (std::size_t size : {0UL, 1UL, 125UL, 126UL, 65535UL, 65536UL, 200000UL}) {
    for (const bool masked : {false, true}) {
      const std::string data(size, 'x');
      std::string bytes;
      append_websocket_frame(bytes, kind::text, data, masked ? std::optional(0x12345678U) : std::nullopt);
      websocket_reader r(masked ? websocket_role::server : websocket_role::client, 1 << 20);
      r.feed(bytes);
      EXPECT_EQ((*r.next())->data, data);
      EXPECT_EQ(r.buffered(), 0U);
    }
  }
}

TEST(websocket_frames, refuses_what_the_rfc_forbids) {
  EXPECT_EQ(failure(frame(0xc1, "x")), 1002);  // reserved bit
  EXPECT_EQ(failure(frame(0x83, "x")), 1002);  // unknown kind
  EXPECT_EQ(failure(frame(0x8b, "x")), 1002);
  EXPECT_EQ(failure(frame(0x09, "x")), 1002);                                // a control frame in fragments
  EXPECT_EQ(failure(frame(0x80, "x")), 1002);                                // a fragment of nothing
  EXPECT_EQ(failure(frame(0x01, "x") + frame(0x81, "y")), 1002);             // a message inside another
  EXPECT_EQ(failure(std::string("\x81\x7e\x00\x05hello", 9)), 1002);         // a length longer than needed
  EXPECT_EQ(failure(std::string("\x89\x7e\x00\x80", 4)), 1002);              // a long control frame
  EXPECT_EQ(failure(frame(0x81, "\xff")), 1007);                             // not UTF-8
  EXPECT_EQ(failure(frame(0x88, "x")), 1002);                                // half a close code
  EXPECT_EQ(failure(frame(0x88, std::string("\x03\xed", 2))), 1002);         // 1005 is never sent
  EXPECT_EQ(failure(frame(0x81, "x"), 1000, websocket_role::server), 1002);  // unmasked from a client
  EXPECT_EQ(failure(std::string("\x81\x81"
                                "abcdx",
                                7)),
            1002);  // masked from a server
}

TEST(websocket_frames, announced_sizes_cost_nothing) {
  EXPECT_EQ(failure(std::string("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10)), 1009);
  EXPECT_EQ(failure(std::string("\x81\x7e\x03\xe9", 4)), 1009);  // 1,001 bytes of 1,000
  EXPECT_EQ(failure(frame(0x01, "0123456789") + frame(0x80, "x"), 10), 1009);
  EXPECT_EQ(failure(frame(0x81, "0123456789"), 10), 0);
}

TEST(websocket_frames, a_close_reason_is_cut_between_characters) {
  std::string reason(122, 'x');
  reason += "\xc3\xa4";  // its first byte would still fit
  EXPECT_EQ(websocket_close_payload(1008, reason).size(), 124U);
}

}  // namespace
}  // namespace osvm::net
