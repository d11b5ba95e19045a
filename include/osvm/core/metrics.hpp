// Counters, gauges and histograms with labels, and their Prometheus text exposition (format 0.0.4). A
// registry is an object that the embedder makes and passes in; there is no global one.
#pragma once

#include <osvm/core/error.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace osvm {

// A number that only grows. Every member is lock-free and thread-safe.
class counter final {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

// A number that goes up and down. Every member is lock-free and thread-safe.
class gauge final {
 public:
  void set(double v) noexcept { value_.store(v, std::memory_order_relaxed); }
  void add(double v) noexcept { value_.fetch_add(v, std::memory_order_relaxed); }
  double value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_ = 0;
};

// Observations counted in buckets. observe() is lock-free and thread-safe; a reader may see an observation in
// its bucket and not yet in the sum.
class histogram final {
 public:
  // `bounds`: upper bounds, finite and strictly growing; +Inf is added. Checked by the registry.
  explicit histogram(std::span<const double> bounds);
  void observe(double v) noexcept;
  std::span<const double> bounds() const noexcept { return bounds_; }
  // Observations in bucket `i` alone; `i` up to and including bounds().size(), which is +Inf's.
  std::uint64_t bucket(std::size_t i) const noexcept { return buckets_[i].load(std::memory_order_relaxed); }
  double sum() const noexcept { return sum_.load(std::memory_order_relaxed); }

 private:
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> buckets_;
  std::atomic<double> sum_ = 0;
};

// Label names and values. Order does not matter: {a,b} and {b,a} are one series. Values may be foreign text.
using metric_labels = std::vector<std::pair<std::string, std::string>>;

struct metrics_limits {
  std::size_t max_families = 1000;  // names
  std::size_t max_series =
      1000;  // label sets of one name: labels that follow foreign input must not fill memory
};

// Owns the metrics. Thread-safe. Looking a metric up takes a lock, using it does not: keep the reference,
// which lives as long as the registry.
//
// Asking again for the same name and labels gives the same object. Fails with errc::invalid_argument for a
// malformed name or label, for a name that already has another type, help or bounds; with
// errc::limit_exceeded past the limits.
class metrics_registry final {
 public:
  explicit metrics_registry(metrics_limits limits = {});
  ~metrics_registry();
  metrics_registry(const metrics_registry&) = delete;
  metrics_registry& operator=(const metrics_registry&) = delete;

  result<counter*> get_counter(std::string_view name, std::string_view help, metric_labels labels = {});
  result<gauge*> get_gauge(std::string_view name, std::string_view help, metric_labels labels = {});
  result<histogram*> get_histogram(std::string_view name, std::string_view help,
                                   std::span<const double> bounds, metric_labels labels = {});

  // Everything as Prometheus text, sorted by name and labels. Serve it with `content_type`.
  std::string prometheus() const;
  static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace osvm
