// What every bench prints: one shape for people and for programs.
#pragma once

#include <osvm/kvm/host_facts.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "../context.hpp"

namespace osvm::cli::bench {

// Order statistics of at least one sample.
struct summary {
  std::size_t n = 0;
  double min = 0, p50 = 0, p90 = 0, p99 = 0, max = 0;
};
summary summarize(std::vector<double> samples);

// Collects results under stable names. Used by one thread.
class report {
 public:
  report(std::string bench, kvm::host_facts facts) : bench_(std::move(bench)), facts_(std::move(facts)) {}

  void samples(std::string name, std::string unit, const std::vector<double>& values);
  // The same, summed up elsewhere: `steps` are how many samples lie below each bound and not below the last.
  struct step {
    double below = 0;
    std::uint64_t count = 0;
  };
  void histogram(std::string name, std::string unit, const summary& stats, double p999,
                 std::vector<step> steps);
  void value(std::string name, std::string unit, double value);
  // A count that must be zero: anything else fails the bench.
  void must_be_zero(std::string name, std::string unit, double value);
  // A line below the table: proof that VMs served, or a failure's details. Not part of the JSON.
  void remark(std::string text) { remarks_.push_back(std::move(text)); }
  // The bench says less than it claims; the reason goes to the output, and the exit status is 1.
  void fail(std::string reason) { failures_.push_back(std::move(reason)); }

  const kvm::host_facts& facts() const noexcept { return facts_; }
  // Nothing of it ran in a VM: nothing is said of isolation.
  void without_guests() noexcept { guests_ = false; }
  // Prints to `ctx` and gives the exit status.
  int finish(const context& ctx) const;

 private:
  struct row {
    std::string name, unit;
    summary stats;  // stats.n == 0: only `value`
    double value = 0;
    bool zero_expected = false;
    double p999 = 0;
    std::vector<step> steps{};  // not empty: a histogram
  };
  bool failed() const;
  void print_json(const context& ctx) const;
  void print_text(const context& ctx) const;
  static void print_steps(const context& ctx, const row& r);

  std::string bench_;
  kvm::host_facts facts_;
  std::vector<row> rows_;
  std::vector<std::string> remarks_, failures_;
  bool guests_ = true;
};

inline double to_ms(std::chrono::nanoseconds d) {
  return static_cast<double>(d.count()) / 1e6;
}

// Wall time since its creation.
class stopwatch {
 public:
  std::chrono::nanoseconds elapsed() const { return std::chrono::steady_clock::now() - begin_; }
  double ms() const { return to_ms(elapsed()); }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace osvm::cli::bench
