#include <osvm/core/error.hpp>

#include <gtest/gtest.h>

#include <memory>

namespace osvm {
namespace {

result<int> parse(bool ok) {
  if (!ok) return error(errc::malformed, "port");
  return 7;
}

result<int> twice(bool ok) {
  OSVM_TRY(const int value, parse(ok));
  return 2 * value;
}

result<> check(bool ok) {
  OSVM_CHECK(parse(ok));
  return {};
}

TEST(error, text_is_context_then_message) {
  EXPECT_EQ(error(errc::timed_out, "waiting for the guest").to_string(),
            "waiting for the guest: deadline passed");
  EXPECT_EQ(error(errc::busy).to_string(), "busy");
}

TEST(error, codes_compare_across_categories) {
  EXPECT_EQ(error(errc::denied).code, errc::denied);
  EXPECT_NE(error(errc::denied).code, make_error_code(errc::busy));
  EXPECT_EQ(errno_error("open", ENOENT).code, boost::system::errc::no_such_file_or_directory);
}

TEST(error, every_code_has_a_message_of_its_own) {
  for (int a = 0; a <= static_cast<int>(errc::closed); ++a) {
    EXPECT_NE(core_category().message(a), "unknown osvm error") << a;
    for (int b = 0; b < a; ++b) EXPECT_NE(core_category().message(a), core_category().message(b));
  }
  EXPECT_EQ(core_category().message(9999), "unknown osvm error");
}

TEST(error, value_of_a_failure_throws_with_context) {
  try {
    parse(false).value();
    FAIL() << "did not throw";
  } catch (const exception& e) {
    EXPECT_STREQ(e.what(), "port: malformed input");
    EXPECT_EQ(e.get().code, errc::malformed);
  }
}

TEST(error, try_and_check_pass_failures_on) {
  EXPECT_EQ(*twice(true), 14);
  EXPECT_EQ(twice(false).error().context, "port");
  EXPECT_TRUE(check(true));
  EXPECT_EQ(check(false).error().code, errc::malformed);
}

TEST(error, try_moves_values_that_cannot_be_copied) {
  auto make = []() -> result<std::unique_ptr<int>> { return std::make_unique<int>(3); };
  auto use = [&]() -> result<int> {
    OSVM_TRY(auto p, make());
    return *p;
  };
  EXPECT_EQ(*use(), 3);
}

}  // namespace
}  // namespace osvm
