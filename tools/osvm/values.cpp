#include "values.hpp"

#include <osvm/core/bytes.hpp>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>

namespace osvm::cli {
namespace {

error bad(std::string_view text, std::string_view advice) {
  return {errc::invalid_argument, "'" + std::string(text) + "': " + std::string(advice)};
}

struct unit {
  std::string_view name;
  std::uint64_t factor;
};

struct scaled {
  std::uint64_t value;
  std::string_view suffix;
};

result<scaled> parse_leading_number(std::string_view text, std::string_view advice) {
  std::uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc()) return bad(text, advice);
  return scaled{value, text.substr(static_cast<std::size_t>(end - text.data()))};
}

result<std::uint64_t> parse_scaled(std::string_view text, std::span<const unit> units,
                                   std::string_view advice) {
  OSVM_TRY(const auto number, parse_leading_number(text, advice));
  for (const auto& u : units) {
    std::uint64_t out = 0;
    if (number.suffix != u.name) continue;
    if (!checked_mul(number.value, u.factor, out)) return bad(text, "too large");
    return out;
  }
  return bad(text, advice);
}

std::string format(const char* pattern, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), pattern, value);
  return buffer;
}

}  // namespace

result<std::uint64_t> parse_size(std::string_view text) {
  static constexpr unit units[] = {{"", 1},
                                   {"B", 1},
                                   {"KiB", 1ULL << 10},
                                   {"K", 1ULL << 10},
                                   {"MiB", 1ULL << 20},
                                   {"M", 1ULL << 20},
                                   {"GiB", 1ULL << 30},
                                   {"G", 1ULL << 30}};
  return parse_scaled(text, units, "expected a size such as 64KiB, 256MiB or 1GiB");
}

result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  static constexpr unit units[] = {{"ns", 1},
                                   {"us", 1'000},
                                   {"ms", 1'000'000},
                                   {"s", 1'000'000'000},
                                   {"m", 60'000'000'000},
                                   {"h", 3'600'000'000'000}};
  OSVM_TRY(const auto ns, parse_scaled(text, units, "expected a duration such as 500ms, 10s or 2m"));
  if (ns > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return bad(text, "too long");
  return std::chrono::nanoseconds(static_cast<std::int64_t>(ns));
}

result<std::uint64_t> parse_count(std::string_view text, std::uint64_t min, std::uint64_t max) {
  const auto advice = "expected a number from " + std::to_string(min) + " to " + std::to_string(max);
  OSVM_TRY(const auto number, parse_leading_number(text, advice));
  if (!number.suffix.empty() || number.value < min || number.value > max) return bad(text, advice);
  return number.value;
}

result<publication> parse_publication(std::string_view text, unikernel::transport kind) {
  constexpr std::string_view advice = "expected HOST:PORT=guest:PORT, for example 127.0.0.1:8080=guest:80";
  const auto split = text.rfind("=guest:");
  if (split == std::string_view::npos) return bad(text, advice);
  publication out;
  out.guest.kind = kind;
  const std::uint64_t max = kind == unikernel::transport::tcp ? 0xffff : 0xfffffffe;
  OSVM_TRY(const auto guest_port, parse_count(text.substr(split + 7), 1, max));
  out.guest.port = static_cast<std::uint32_t>(guest_port);
  const auto host = text.substr(0, split);
  if (const auto port = parse_count(host, 0, 0xffff)) {
    out.host = tcp_endpoint{"127.0.0.1", static_cast<std::uint16_t>(*port)};
    return out;
  }
  OSVM_TRY(out.host, parse_endpoint(host));
  if (std::holds_alternative<hybrid_endpoint>(out.host)) return bad(text, advice);
  return out;
}

result<unikernel::mount> parse_mount(std::string_view text, bool writable) {
  constexpr std::string_view advice =
      "expected HOST:GUEST with an absolute guest path, for example ./data:/data";
  const auto colon = text.rfind(':');
  const auto host = text.substr(0, colon);
  const auto guest = colon == std::string_view::npos ? text : text.substr(colon + 1);
  if (host.empty() || !guest.starts_with('/')) return bad(text, advice);
  return unikernel::mount{.host_path = std::filesystem::absolute(host).lexically_normal().string(),
                          .guest_path = std::string(guest),
                          .writable = writable};
}

result<std::string> parse_environment(std::string_view text) {
  if (text.empty() || text[0] == '=')
    return bad(text, "expected KEY=VALUE, or KEY to pass this shell's value on");
  if (text.find('=') != std::string_view::npos) return std::string(text);
  const std::string key(text);
  const char* value = std::getenv(key.c_str());
  if (value == nullptr) return bad(text, "not set in this environment; write KEY=VALUE");
  return key + "=" + value;
}

std::string show_number(double value) {
  const double size = std::fabs(value);
  return format(size >= 100 || value == std::floor(value) ? "%.0f"
                : size >= 10                              ? "%.1f"
                : size >= 1                               ? "%.2f"
                                                          : "%.3f",
                value);
}

std::string show_size(std::uint64_t bytes) {
  static constexpr unit units[] = {{" GiB", 1ULL << 30}, {" MiB", 1ULL << 20}, {" KiB", 1ULL << 10}};
  for (const auto& u : units) {
    if (bytes >= u.factor) {
      return show_number(static_cast<double>(bytes) / static_cast<double>(u.factor)) + std::string(u.name);
    }
  }
  return std::to_string(bytes) + " B";
}

std::string show_duration(std::chrono::nanoseconds duration) {
  static constexpr unit units[] = {{" s", 1'000'000'000}, {" ms", 1'000'000}, {" us", 1'000}};
  for (const auto& u : units) {
    if (duration.count() >= static_cast<std::int64_t>(u.factor)) {
      return show_number(static_cast<double>(duration.count()) / static_cast<double>(u.factor)) +
             std::string(u.name);
    }
  }
  return std::to_string(duration.count()) + " ns";
}

}  // namespace osvm::cli
