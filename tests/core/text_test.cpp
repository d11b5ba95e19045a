#include <osvm/core/text.hpp>

#include <gtest/gtest.h>

namespace osvm {
namespace {

using namespace std::string_view_literals;

TEST(text, plain_text_and_letters_of_any_script_stay) {
  EXPECT_EQ(printable("hello, w\xc3\xb6rld \xe2\x82\xac \xf0\x9f\x9a\x80"),
            "hello, w\xc3\xb6rld \xe2\x82\xac \xf0\x9f\x9a\x80");
  EXPECT_EQ(printable(""), "");
}

TEST(text, terminal_escapes_and_line_breaks_are_shown_not_sent) {
  EXPECT_EQ(printable("\x1b[2J\x07"), "\\x1b[2J\\x07");
  EXPECT_EQ(printable("a\r\nb\tc"), "a\\r\\nb\\tc");
  EXPECT_EQ(printable("nul\0end"sv), "nul\\x00end");
  EXPECT_EQ(printable("\x7f"), "\\x7f");
}

TEST(text, a_backslash_cannot_fake_an_escape) {
  EXPECT_EQ(printable("\\n"), "\\\\n");
}

TEST(text, hidden_and_reordering_code_points_are_named) {
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\u{009b}31m");  // C1 CSI
  EXPECT_EQ(printable("a\xe2\x80\xae"
                      "b"),
            "a\\u{202e}b");  // right-to-left override
  EXPECT_EQ(printable("\xe2\x80\x8b\xe2\x80\xa8"), "\\u{200b}\\u{2028}");
  EXPECT_EQ(printable("\xf3\xa0\x81\x81"), "\\u{e0041}");  // tag letter
}

TEST(text, bytes_that_are_not_utf8_are_shown_as_bytes) {
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");                    // overlong slash
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // past U+10FFFF
  EXPECT_EQ(printable("\xe0\x80\x80"), "\\xe0\\x80\\x80");
}

TEST(text, long_text_is_cut_and_says_so) {
  EXPECT_EQ(printable(std::string(300, 'x'), 4), "xxxx...(+296 bytes)");
  EXPECT_EQ(printable("xxxx", 4), "xxxx");
}

TEST(text, json_escapes_are_rfc_8259) {
  EXPECT_EQ(json_escape("a\"b\\c\n\r\t\x01\x7f"), "a\\\"b\\\\c\\n\\r\\t\\u0001\\u007f");
  EXPECT_EQ(json_escape("\xc3\xb6\xff!"), "\xc3\xb6\xef\xbf\xbd!");
  EXPECT_EQ(json_escape("nul\0"sv), "nul\\u0000");
}

TEST(text, utf8_prefix_and_replacement) {
  EXPECT_EQ(utf8_prefix("ab\xc3\xb6\xff"), 4u);
  EXPECT_EQ(utf8_prefix("ab\xc3"), 2u);
  EXPECT_EQ(to_utf8("a\xff\xfe"
                    "b"),
            "a\xef\xbf\xbd\xef\xbf\xbd"
            "b");
}

}  // namespace
}  // namespace osvm
