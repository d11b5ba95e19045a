#include "report.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <cmath>
#include <cstdio>
#include <thread>

#include "../facts_output.hpp"
#include "../values.hpp"

namespace osvm::cli::bench {
namespace {

// Smallest sample that at least `share` of all do not exceed.
double percentile(const std::vector<double>& sorted, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

double rounded(double v) {
  return std::round(v * 1e6) / 1e6;
}

}  // namespace

summary summarize(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  if (samples.empty()) return {};
  return {.n = samples.size(),
          .min = samples.front(),
          .p50 = percentile(samples, 0.50),
          .p90 = percentile(samples, 0.90),
          .p99 = percentile(samples, 0.99),
          .max = samples.back()};
}

void report::samples(std::string name, std::string unit, const std::vector<double>& values) {
  if (values.empty()) return fail(name + " was not measured");
  rows_.push_back({.name = std::move(name), .unit = std::move(unit), .stats = summarize(values)});
}

void report::histogram(std::string name, std::string unit, const summary& stats, double p999,
                       std::vector<step> steps) {
  if (stats.n == 0) return fail(name + " was not measured");
  rows_.push_back({.name = std::move(name),
                   .unit = std::move(unit),
                   .stats = stats,
                   .p999 = p999,
                   .steps = std::move(steps)});
}

void report::value(std::string name, std::string unit, double value) {
  rows_.push_back({.name = std::move(name), .unit = std::move(unit), .stats = {}, .value = value});
}

void report::must_be_zero(std::string name, std::string unit, double v) {
  value(std::move(name), std::move(unit), v);
  rows_.back().zero_expected = true;
}

bool report::failed() const {
  return !failures_.empty() || std::any_of(rows_.begin(), rows_.end(),
                                           [](const row& r) { return r.zero_expected && r.value != 0; });
}

void report::print_json(const context& ctx) const {
  boost::json::array results;
  for (const auto& r : rows_) {
    boost::json::object o{{"name", r.name}, {"unit", r.unit}};
    if (r.stats.n == 0) {
      o["value"] = rounded(r.value);
    } else {
      o["n"] = r.stats.n;
      o["min"] = rounded(r.stats.min);
      o["p50"] = rounded(r.stats.p50);
      o["p90"] = rounded(r.stats.p90);
      o["p99"] = rounded(r.stats.p99);
      o["max"] = rounded(r.stats.max);
      if (!r.steps.empty()) {
        o["p999"] = rounded(r.p999);
        boost::json::array steps;
        for (const auto& one : r.steps) steps.push_back(boost::json::array{rounded(one.below), one.count});
        o["histogram"] = std::move(steps);
      }
    }
    results.push_back(std::move(o));
  }
  boost::json::object out{{"bench", bench_},
                          {"version", OSVM_VERSION},
                          {"host", facts_json(facts_)},
                          {"results", std::move(results)},
                          {"peers", boost::json::array()},
                          {"ok", !failed()}};
  boost::json::array failures;
  for (const auto& f : failures_) failures.push_back(boost::json::value(f));
  if (!failures.empty()) out["failures"] = std::move(failures);
  ctx.print_json(out);
}

void report::print_steps(const context& ctx, const row& r) {
  constexpr double width = 50;
  std::uint64_t most = 1, all = 0;
  for (const auto& one : r.steps) {
    most = std::max(most, one.count);
    all += one.count;
  }
  text_table table{{r.name + " up to", "share", "count", ""}};
  std::uint64_t sum = 0;
  for (const auto& one : r.steps) {
    sum += one.count;
    const auto length = std::ceil(width * static_cast<double>(one.count) / static_cast<double>(most));
    char share[32];
    std::snprintf(share, sizeof share, "%.3f %%", 100 * static_cast<double>(sum) / static_cast<double>(all));
    table.push_back({show_number(one.below) + " " + r.unit, share, std::to_string(one.count),
                     std::string(static_cast<std::size_t>(length), '#')});
  }
  ctx.print_table(table);
}

void report::print_text(const context& ctx) const {
  text_table table{{ctx.bold("metric"), "unit", "p50", "min", "p90", "p99", "max", "n"}};
  for (const auto& r : rows_) {
    if (r.stats.n == 0) {
      const auto shown = show_number(r.value);
      table.push_back({r.name, r.unit, r.zero_expected && r.value != 0 ? ctx.bad(shown) : shown});
    } else {
      table.push_back({r.name, r.unit, show_number(r.stats.p50), show_number(r.stats.min),
                       show_number(r.stats.p90), show_number(r.stats.p99), show_number(r.stats.max),
                       std::to_string(r.stats.n)});
    }
  }
  ctx.print_table(table);
  for (const auto& r : rows_) {
    if (!r.steps.empty()) print_steps(ctx, r);
  }
  if (guests_) {
    ctx.print("host: " + facts_line(facts_) + "; isolation hardware; osvm " OSVM_VERSION "\n");
  } else {
    ctx.print("host: " + std::to_string(std::thread::hardware_concurrency()) +
              " processors; no VM in this; osvm " OSVM_VERSION "\n");
  }
  for (const auto& text : remarks_) ctx.print(text + "\n");
  for (const auto& text : failures_) ctx.print(ctx.bad("failed") + ": " + text + "\n");
}

int report::finish(const context& ctx) const {
  ctx.json() ? print_json(ctx) : print_text(ctx);
  if (ctx.json()) {
    for (const auto& text : failures_) ctx.note("osvm: " + text);
  }
  return static_cast<int>(failed() ? exit_code::failed : exit_code::done);
}

}  // namespace osvm::cli::bench
