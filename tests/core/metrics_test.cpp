#include <osvm/core/metrics.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <thread>

namespace osvm {
namespace {

constexpr double bounds[] = {0.1, 1, 2.5};

TEST(metrics, exposition_is_exact_and_sorted) {
  metrics_registry registry;
  registry.get_gauge("osvm_up", "Whether it is up.").value()->set(1);
  registry.get_counter("osvm_requests_total", "Requests.", {{"version", "v2"}, {"code", "200"}})
      .value()
      ->add(7);
  registry.get_counter("osvm_requests_total", "Requests.", {{"code", "500"}, {"version", "v2"}})
      .value()
      ->add();
  auto* h = registry.get_histogram("osvm_wait_seconds", "Waits.", bounds, {{"pool", "a"}}).value();
  for (const double v : {0.05, 0.1, 0.5, 99.0}) h->observe(v);
  EXPECT_EQ(registry.prometheus(),
            "# HELP osvm_requests_total Requests.\n"
            "# TYPE osvm_requests_total counter\n"
            "osvm_requests_total{code=\"200\",version=\"v2\"} 7\n"
            "osvm_requests_total{code=\"500\",version=\"v2\"} 1\n"
            "# HELP osvm_up Whether it is up.\n"
            "# TYPE osvm_up gauge\n"
            "osvm_up 1\n"
            "# HELP osvm_wait_seconds Waits.\n"
            "# TYPE osvm_wait_seconds histogram\n"
            "osvm_wait_seconds_bucket{pool=\"a\",le=\"0.1\"} 2\n"
            "osvm_wait_seconds_bucket{pool=\"a\",le=\"1\"} 3\n"
            "osvm_wait_seconds_bucket{pool=\"a\",le=\"2.5\"} 3\n"
            "osvm_wait_seconds_bucket{pool=\"a\",le=\"+Inf\"} 4\n"
            "osvm_wait_seconds_sum{pool=\"a\"} 99.65\n"
            "osvm_wait_seconds_count{pool=\"a\"} 4\n");
}

TEST(metrics, hostile_labels_and_help_cannot_forge_lines) {
  metrics_registry registry;
  registry.get_counter("c", "a\\b\nc \"q\"", {{"path", "x\"} 9\nfake 1\\\xff"}}).value()->add();
  EXPECT_EQ(registry.prometheus(),
            "# HELP c a\\\\b\\nc \"q\"\n# TYPE c counter\n"
            "c{path=\"x\\\"} 9\\nfake 1\\\\\xef\xbf\xbd\"} 1\n");
}

TEST(metrics, special_numbers_have_prometheus_names) {
  metrics_registry registry;
  auto* g = registry.get_gauge("g", "").value();
  const auto shown = [&](double v) {
    g->set(v);
    const std::string all = registry.prometheus();
    return all.substr(all.rfind("g "));
  };
  EXPECT_EQ(shown(std::numeric_limits<double>::infinity()), "g +Inf\n");
  EXPECT_EQ(shown(-std::numeric_limits<double>::infinity()), "g -Inf\n");
  EXPECT_EQ(shown(std::numeric_limits<double>::quiet_NaN()), "g NaN\n");
  EXPECT_EQ(shown(-0.25), "g -0.25\n");
}

TEST(metrics, the_same_name_and_labels_are_one_object) {
  metrics_registry registry;
  auto* a = registry.get_counter("c", "h", {{"a", "1"}, {"b", "2"}}).value();
  auto* b = registry.get_counter("c", "h", {{"b", "2"}, {"a", "1"}}).value();
  EXPECT_EQ(a, b);
  EXPECT_NE(a, registry.get_counter("c", "h").value());
}

TEST(metrics, another_type_help_or_bounds_is_refused) {
  metrics_registry registry;
  ASSERT_TRUE(registry.get_counter("c", "h"));
  ASSERT_TRUE(registry.get_histogram("h", "h", bounds));
  EXPECT_EQ(registry.get_gauge("c", "h").error().code, errc::invalid_argument);
  EXPECT_FALSE(registry.get_counter("c", "other"));
  constexpr double other[] = {1};
  EXPECT_FALSE(registry.get_histogram("h", "h", other));
}

TEST(metrics, names_are_checked) {
  metrics_registry registry;
  for (const char* bad : {"", "1a", "a-b", "a b", "a\n", "a{", "\xc3\xb6"}) {
    EXPECT_FALSE(registry.get_counter(bad, "")) << bad;
    EXPECT_FALSE(registry.get_counter("ok", "", {{bad, "v"}})) << bad;
  }
  EXPECT_TRUE(registry.get_counter("ns:a_1", ""));
  EXPECT_FALSE(registry.get_counter("ok", "", {{"a:b", "v"}})) << "colons are for metric names";
  EXPECT_FALSE(registry.get_counter("ok", "", {{"__name__", "v"}}));
  EXPECT_FALSE(registry.get_counter("ok", "", {{"a", "1"}, {"a", "2"}}));
  EXPECT_FALSE(registry.get_histogram("hist", "", bounds, {{"le", "1"}}));
}

TEST(metrics, histogram_bounds_are_checked) {
  metrics_registry registry;
  constexpr double inf = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(registry.get_histogram("h", "", {}));
  for (const auto& bad :
       {std::vector<double>{2, 1}, {1, 1}, {1, inf}, {std::numeric_limits<double>::quiet_NaN()}}) {
    EXPECT_FALSE(registry.get_histogram("h", "", bad));
  }
}

TEST(metrics, labels_that_follow_foreign_input_cannot_fill_memory) {
  metrics_registry registry({.max_families = 2, .max_series = 3});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(registry.get_counter("c", "", {{"ip", std::to_string(i)}}));
  EXPECT_EQ(registry.get_counter("c", "", {{"ip", "3"}}).error().code, errc::limit_exceeded);
  EXPECT_TRUE(registry.get_counter("c", "", {{"ip", "0"}})) << "known ones still work";
  ASSERT_TRUE(registry.get_counter("d", ""));
  EXPECT_EQ(registry.get_counter("e", "").error().code, errc::limit_exceeded);
}

TEST(metrics, nothing_is_lost_under_concurrency) {
  metrics_registry registry;
  constexpr int each = 20'000;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        auto* c = registry.get_counter("c", "").value();
        auto* g = registry.get_gauge("g", "").value();
        auto* h = registry.get_histogram("h", "", bounds).value();
        for (int i = 0; i < each; ++i) {
          c->add();
          g->add(1);
          h->observe(i % 2 ? 0.5 : 5);
          if (i % 5000 == 0) (void)registry.prometheus();
        }
      });
    }
  }
  EXPECT_EQ(registry.get_counter("c", "").value()->value(), 4u * each);
  EXPECT_EQ(registry.get_gauge("g", "").value()->value(), 4.0 * each);
  const auto* h = registry.get_histogram("h", "", bounds).value();
  EXPECT_EQ(h->bucket(1), 2u * each);
  EXPECT_EQ(h->bucket(3), 2u * each);
  EXPECT_EQ(h->sum(), 5.5 * 2 * each);
}

TEST(metrics, updates_are_lock_free) {
  EXPECT_TRUE(std::atomic<double>::is_always_lock_free);
  EXPECT_TRUE(std::atomic<std::uint64_t>::is_always_lock_free);
}

}  // namespace
}  // namespace osvm
