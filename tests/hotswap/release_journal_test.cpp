// What a restart reads: the journal's text, and the file that holds it.
#include "hotswap/release/journal.hpp"

#include <osvm/core/blake3.hpp>
#include <osvm/hotswap/release_store.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace osvm::test {
namespace {

using namespace hotswap;
using namespace hotswap::detail;

journal example() {
  return {{2, 3, 0, 1, 3},
          {{1, {"v1", "/opt/one"}}, {2, {"v 2", "unix:/a b%c"}}, {3, {"-", std::string("\n\0\xff", 3)}}}};
}

std::string signed_again(std::string body) {
  std::string hex;
  for (const auto b : blake3_hash(as_bytes(body))) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", std::to_integer<unsigned>(b));
    hex += two;
  }
  return body + "blake3 " + hex + "\n";
}
std::string body_of(const std::string& text) {
  return text.substr(0, text.rfind("blake3 "));
}
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(release_journal, is_read_as_it_was_written) {
  const auto read = read_journal(write_journal(example()));
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(*read, example());
  EXPECT_EQ(*read_journal(write_journal({})), journal{});
}

TEST(release_journal, any_changed_or_missing_byte_is_noticed) {
  const auto text = write_journal(example());
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(read_journal(changed)) << i;
    EXPECT_FALSE(read_journal(text.substr(0, i))) << i;
  }
}

TEST(release_journal, a_right_checksum_does_not_make_nonsense_right) {
  const auto body = body_of(write_journal(example()));
  ASSERT_TRUE(read_journal(signed_again(body)));
  EXPECT_FALSE(read_journal(signed_again(replaced(body, "active 2", "active 4"))));   // never begun
  EXPECT_FALSE(read_journal(signed_again(replaced(body, "active 2", "active 02"))));  // two spellings
  EXPECT_FALSE(read_journal(signed_again(replaced(body, "active 2", "active -2"))));
  EXPECT_FALSE(read_journal(signed_again(replaced(body, "release 1", "release 3"))));  // out of order
  EXPECT_FALSE(read_journal(signed_again(replaced(body, "v1", "v%31"))));              // two spellings
  EXPECT_FALSE(read_journal(signed_again(replaced(body, "v1", "v%1"))));
  EXPECT_FALSE(read_journal(signed_again(replaced(body, "v1", std::string(5000, 'v')))));  // too long
  EXPECT_FALSE(read_journal(signed_again(body + "release 4 v4 a\n")));                     // named by nothing
  const auto later = read_journal(signed_again(replaced(body, "osvm-releases 1", "osvm-releases 2")));
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, osvm::errc::unsupported);
}

class file_store : public ::testing::Test {
 protected:
  file_store() {
    std::string name = (std::filesystem::temp_directory_path() / "osvm-store-XXXXXX").string();
    if (::mkdtemp(name.data())) dir_ = name;
  }
  ~file_store() override { std::filesystem::remove_all(dir_); }
  std::string path() const { return dir_ + "/state"; }
  std::string dir_;
};

TEST_F(file_store, keeps_the_last_document_and_nothing_else) {
  {
    auto store = open_file_store(path());
    ASSERT_TRUE(store) << store.error().to_string();
    EXPECT_EQ(*(*store)->load(), std::nullopt);
    ASSERT_TRUE((*store)->save("one"));
    ASSERT_TRUE((*store)->save("two, longer"));
    ASSERT_TRUE((*store)->save("three"));
    const auto second = open_file_store(path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, osvm::errc::busy);
  }
  auto again = open_file_store(path());
  ASSERT_TRUE(again);
  EXPECT_EQ(**(*again)->load(), "three");
  struct stat st {};
  ASSERT_EQ(::stat(path().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600U);
  EXPECT_FALSE(std::filesystem::exists(path() + ".new"));
}

TEST_F(file_store, a_half_written_successor_is_no_document) {
  auto store = open_file_store(path());
  ASSERT_TRUE(store);
  ASSERT_TRUE((*store)->save("whole"));
  std::ofstream(path() + ".new") << "ha";
  EXPECT_EQ(**(*store)->load(), "whole");
  ASSERT_TRUE((*store)->save("next"));
  EXPECT_EQ(**(*store)->load(), "next");
}

TEST_F(file_store, a_save_that_fails_leaves_the_document_before) {
  auto store = open_file_store(path());
  ASSERT_TRUE(store);
  ASSERT_TRUE((*store)->save("before"));
  std::filesystem::create_directory(path() + ".new");  // cannot be opened for writing, whoever asks
  EXPECT_FALSE((*store)->save("after"));
  EXPECT_EQ(**(*store)->load(), "before");
}

}  // namespace
}  // namespace osvm::test
