#include <osvm/core/metrics.hpp>
#include <osvm/core/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <mutex>
#include <variant>

namespace osvm {
namespace {

bool alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool valid_name(std::string_view s, bool colon) {
  const auto first = [colon](char c) { return alpha(c) || (colon && c == ':'); };
  return !s.empty() && first(s[0]) && std::ranges::all_of(s, [&](char c) { return first(c) || is_digit(c); });
}

// Label values escape backslash, quote and newline; help texts the first and last only (format 0.0.4).
std::string escape(std::string_view s, bool quote) {
  std::string out;
  for (const char c : s) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '"' && quote)
      out += "\\\"";
    else
      out += c;
  }
  return out;
}

std::string number(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", v);
}

using metric = std::variant<std::unique_ptr<counter>, std::unique_ptr<gauge>, std::unique_ptr<histogram>>;
constexpr std::string_view type_names[] = {"counter", "gauge", "histogram"};

// `{a="1",b="2"}`, sorted by label name, without the braces: both the key of a series and its text.
std::string label_text(const metric_labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", name, escape(to_utf8(value), true));
  }
  return out;
}

result<> check_labels(metric_labels& labels, bool has_buckets) {
  std::ranges::sort(labels);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto& name = labels[i].first;
    const bool reserved = name.starts_with("__") || (has_buckets && name == "le");
    if (!valid_name(name, false) || reserved || (i > 0 && labels[i - 1].first == name)) {
      return error(errc::invalid_argument, "metric label \"" + printable(name, 64) + "\"");
    }
  }
  return {};
}

result<> check_bounds(std::span<const double> bounds) {
  const bool growing = std::ranges::adjacent_find(bounds, std::greater_equal<>{}) == bounds.end();
  const bool finite = std::ranges::all_of(bounds, [](double b) { return std::isfinite(b); });
  if (bounds.empty() || !growing || !finite) {
    return error(errc::invalid_argument, "histogram bounds must be finite and strictly growing");
  }
  return {};
}

struct family {
  std::string help;
  std::size_t type = 0;  // index in `metric`
  std::vector<double> bounds;
  std::map<std::string, metric> series;  // by label_text()
};

void render(std::string& out, const std::string& name, const std::string& labels, const metric& m) {
  const std::string braces = labels.empty() ? "" : "{" + labels + "}";
  auto to = std::back_inserter(out);
  if (const auto* c = std::get_if<0>(&m)) {
    fmt::format_to(to, "{}{} {}\n", name, braces, (*c)->value());
  } else if (const auto* g = std::get_if<1>(&m)) {
    fmt::format_to(to, "{}{} {}\n", name, braces, number((*g)->value()));
  } else {
    const histogram& h = *std::get<2>(m);
    std::uint64_t total = 0;  // count is derived from the buckets, so the two always agree
    for (std::size_t i = 0; i <= h.bounds().size(); ++i) {
      total += h.bucket(i);
      fmt::format_to(to, "{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels, labels.empty() ? "" : ",",
                     i < h.bounds().size() ? number(h.bounds()[i]) : "+Inf", total);
    }
    fmt::format_to(to, "{}_sum{} {}\n{}_count{} {}\n", name, braces, number(h.sum()), name, braces, total);
  }
}

}  // namespace

histogram::histogram(std::span<const double> bounds)
    : bounds_(bounds.begin(), bounds.end()),
      buckets_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds.size() + 1)) {}

void histogram::observe(double v) noexcept {
  // NaN is greater than nothing and lands in +Inf, as Prometheus clients have it.
  const auto i = std::isnan(v) ? bounds_.end() : std::ranges::lower_bound(bounds_, v);
  buckets_[static_cast<std::size_t>(i - bounds_.begin())].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(v, std::memory_order_relaxed);
}

struct metrics_registry::impl {
  metrics_limits limits;
  mutable std::mutex mutex;
  std::map<std::string, family, std::less<>> families;

  result<family*> find_family(std::string_view name, std::string_view help, std::size_t type,
                              std::span<const double> bounds) {
    if (const auto it = families.find(name); it != families.end()) {
      family& f = it->second;
      if (f.type == type && f.help == help && std::ranges::equal(f.bounds, bounds)) return &f;
      return error(errc::invalid_argument,
                   "metric " + std::string(name) + " exists with another type, help or bounds");
    }
    if (!valid_name(name, true))
      return error(errc::invalid_argument, "metric name \"" + printable(name, 64) + "\"");
    if (families.size() >= limits.max_families) return error(errc::limit_exceeded, "too many metric names");
    family f{std::string(help), type, {bounds.begin(), bounds.end()}, {}};
    return &families.emplace(std::string(name), std::move(f)).first->second;
  }

  template <class T>
  result<T*> get(std::string_view name, std::string_view help, metric_labels labels,
                 std::span<const double> bounds, auto make) {
    using owner = std::unique_ptr<T>;
    const std::size_t type = metric(owner()).index();
    OSVM_CHECK(check_labels(labels, type == 2));
    const std::lock_guard lock(mutex);
    OSVM_TRY(family* const f, find_family(name, help, type, bounds));
    const std::string key = label_text(labels);
    auto it = f->series.find(key);
    if (it == f->series.end()) {
      if (f->series.size() >= limits.max_series) {
        return error(errc::limit_exceeded, "too many label sets of metric " + std::string(name));
      }
      it = f->series.emplace(key, metric(make())).first;
    }
    return std::get<owner>(it->second).get();
  }
};

metrics_registry::metrics_registry(metrics_limits limits) : impl_(std::make_unique<impl>()) {
  impl_->limits = limits;
}
metrics_registry::~metrics_registry() = default;

result<counter*> metrics_registry::get_counter(std::string_view name, std::string_view help,
                                               metric_labels labels) {
  return impl_->get<counter>(name, help, std::move(labels), {}, [] { return std::make_unique<counter>(); });
}

result<gauge*> metrics_registry::get_gauge(std::string_view name, std::string_view help,
                                           metric_labels labels) {
  return impl_->get<gauge>(name, help, std::move(labels), {}, [] { return std::make_unique<gauge>(); });
}

result<histogram*> metrics_registry::get_histogram(std::string_view name, std::string_view help,
                                                   std::span<const double> bounds, metric_labels labels) {
  OSVM_CHECK(check_bounds(bounds));
  return impl_->get<histogram>(name, help, std::move(labels), bounds,
                               [&] { return std::make_unique<histogram>(bounds); });
}

std::string metrics_registry::prometheus() const {
  const std::lock_guard lock(impl_->mutex);
  std::string out;
  for (const auto& [name, f] : impl_->families) {
    fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", name,
                   escape(to_utf8(f.help), false), name, type_names[f.type]);
    for (const auto& [labels, m] : f.series) render(out, name, labels, m);
  }
  return out;
}

}  // namespace osvm
