#include <osvm/core/clock.hpp>
#include <osvm/core/text.hpp>

#include <limits>
#include <optional>
#include <span>

namespace osvm {
namespace {

struct unit {
  std::string_view name;
  std::uint64_t scale;
};

constexpr unit durations[] = {  // from big to small: the order in which they may follow each other
    {"d", 86'400'000'000'000},
    {"h", 3'600'000'000'000},
    {"m", 60'000'000'000},
    {"s", 1'000'000'000},
    {"ms", 1'000'000},
    {"us", 1'000},
    {"ns", 1}};

constexpr unit sizes[] = {{"", 1},
                          {"B", 1},
                          {"K", 1ULL << 10},
                          {"KiB", 1ULL << 10},
                          {"M", 1ULL << 20},
                          {"MiB", 1ULL << 20},
                          {"G", 1ULL << 30},
                          {"GiB", 1ULL << 30},
                          {"T", 1ULL << 40},
                          {"TiB", 1ULL << 40},
                          {"kB", 1'000},
                          {"MB", 1'000'000},
                          {"GB", 1'000'000'000},
                          {"TB", 1'000'000'000'000}};

bool digit(char c) {
  return c >= '0' && c <= '9';
}

struct decimal {
  std::uint64_t whole = 0;
  std::uint64_t fraction = 0;  // over `divisor`
  std::uint64_t divisor = 1;
};

// Takes "12" or "12.5" off the front of `text`. Empty: no number there, or too large.
std::optional<decimal> take_decimal(std::string_view& text) {
  decimal n;
  if (text.empty() || !digit(text.front())) return std::nullopt;
  for (; !text.empty() && digit(text.front()); text.remove_prefix(1)) {
    const auto add = static_cast<std::uint64_t>(text.front() - '0');
    if (n.whole > (std::numeric_limits<std::uint64_t>::max() - add) / 10) return std::nullopt;
    n.whole = n.whole * 10 + add;
  }
  if (text.empty() || text.front() != '.') return n;
  text.remove_prefix(1);
  if (text.empty() || !digit(text.front())) return std::nullopt;
  for (; !text.empty() && digit(text.front()); text.remove_prefix(1)) {
    if (n.divisor >= 1'000'000'000'000'000) return std::nullopt;
    n.fraction = n.fraction * 10 + static_cast<std::uint64_t>(text.front() - '0');
    n.divisor *= 10;
  }
  return n;
}

const unit* take_unit(std::string_view& text, std::span<const unit> units) {
  std::size_t length = 0;
  while (length < text.size() && !digit(text[length])) ++length;
  for (const auto& u : units) {
    if (u.name == text.substr(0, length)) {
      text.remove_prefix(length);
      return &u;
    }
  }
  return nullptr;
}

// n * scale as a whole number that fits 64 bits, or nothing.
std::optional<std::uint64_t> scaled(const decimal& n, std::uint64_t scale) {
  using wide = unsigned __int128;
  const wide part = wide{n.fraction} * scale;
  if (part % n.divisor != 0) return std::nullopt;
  const wide total = wide{n.whole} * scale + part / n.divisor;
  if (total > std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
  return static_cast<std::uint64_t>(total);
}

error bad(std::string_view what, std::string_view text, std::string_view want) {
  return {errc::invalid_argument,
          std::string(what) + " \"" + printable(text, 64) + "\": " + std::string(want)};
}

}  // namespace

int deadline::poll_timeout(clock::time_point now) const noexcept {
  if (is_never()) return -1;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(remaining(now)).count();
  return static_cast<int>(std::min<std::int64_t>(ms, std::numeric_limits<int>::max()));
}

result<nanoseconds> parse_duration(std::string_view text) {
  const auto fail = [all = text] { return bad("duration", all, "write it like 250ms, 2s or 1m30s"); };
  if (text == "0") return nanoseconds::zero();
  if (text.empty()) return fail();
  std::uint64_t total = 0;
  for (std::span<const unit> allowed = durations; !text.empty();) {
    const auto n = take_decimal(text);
    if (!n) return fail();
    const unit* const u = take_unit(text, allowed);
    if (!u || (n->divisor != 1 && !text.empty())) return fail();
    const auto value = scaled(*n, u->scale);
    if (!value || __builtin_add_overflow(total, *value, &total)) return fail();
    allowed = allowed.subspan(static_cast<std::size_t>(u - allowed.data()) + 1);
  }
  if (total > static_cast<std::uint64_t>(nanoseconds::max().count())) return fail();
  return nanoseconds(static_cast<std::int64_t>(total));
}

std::string format_duration(nanoseconds d) {
  if (d == nanoseconds::zero()) return "0s";
  const bool negative = d < nanoseconds::zero();
  auto left = static_cast<std::uint64_t>(d.count());
  if (negative) left = 0 - left;
  std::string out = negative ? "-" : "";
  for (const auto& u : durations) {
    if (left < u.scale) continue;
    out += std::to_string(left / u.scale);
    out += u.name;
    left %= u.scale;
  }
  return out;
}

result<std::uint64_t> parse_size(std::string_view text) {
  const auto fail = [all = text] { return bad("size", all, "write it like 4096, 64MiB or 10MB"); };
  const auto n = take_decimal(text);
  if (!n) return fail();
  const unit* const u = take_unit(text, sizes);
  if (!u || !text.empty()) return fail();
  const auto value = scaled(*n, u->scale);
  if (!value) return fail();
  return *value;
}

std::string format_size(std::uint64_t bytes) {
  constexpr unit binary[] = {
      {"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}};
  for (const auto& u : binary) {
    if (bytes >= u.scale && bytes % u.scale == 0)
      return std::to_string(bytes / u.scale) + std::string(u.name);
  }
  return std::to_string(bytes) + "B";
}

}  // namespace osvm
