#include <gtest/gtest.h>
#include <osvm/bench/report.hpp>

namespace osvm::cli::bench {
namespace {

TEST(summary, is_of_real_samples) {
  std::vector<double> values;
  for (int i = 100; i >= 1; --i) values.push_back(i);
  const auto s = summarize(values);
  EXPECT_EQ(s.n, 100U);
  EXPECT_EQ(s.min, 1);
  EXPECT_EQ(s.p50, 50);
  EXPECT_EQ(s.p90, 90);
  EXPECT_EQ(s.p99, 99);
  EXPECT_EQ(s.max, 100);
  const auto one = summarize({7});
  EXPECT_EQ(one.p50, 7);
  EXPECT_EQ(one.p99, 7);
}

class reported : public testing::Test {
 protected:
  int finish(const report& what) {
    testing::internal::CaptureStdout();
    const int status = what.finish(context({.json = true}));
    text = testing::internal::GetCapturedStdout();
    return status;
  }
  std::string text;
  report r{"x", {}};
};

TEST_F(reported, succeeds_while_what_must_be_zero_is) {
  r.must_be_zero("swap.failed", "requests", 0);
  r.value("restart.failed", "requests", 9);
  EXPECT_EQ(finish(r), 0);
  EXPECT_NE(text.find(R"({"name":"swap.failed","unit":"requests","value":0E0})"), std::string::npos) << text;
}

TEST_F(reported, fails_when_it_is_not) {
  r.must_be_zero("swap.failed", "requests", 1);
  EXPECT_EQ(finish(r), 1);
  EXPECT_NE(text.find(R"("ok":false)"), std::string::npos);
}

TEST_F(reported, fails_when_nothing_was_measured) {
  r.samples("echo64.rtt", "ms", {});
  EXPECT_EQ(finish(r), 1);
}

}  // namespace
}  // namespace osvm::cli::bench
