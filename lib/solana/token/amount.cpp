// Token amounts as people read them, with a mint's interest or scaling. The arithmetic is that of the token
// program, operation by operation: the last digits depend on it.
#include <osvm/solana/account.hpp>

#include <charconv>
#include <cmath>
#include <cstdio>

#include "../instructions/parser.hpp"

namespace osvm::solana {
namespace {

// By squaring, as compilers' powi does it.
double ten_to(unsigned n) {
  double r = 1, b = 10;
  for (;; b *= b) {
    if (n & 1U) r *= b;
    if (!(n /= 2)) return r;
  }
}

double growth(std::int16_t rate, std::int64_t from, std::int64_t to, bool& ok) {
  std::int64_t span = 0;
  if (__builtin_sub_overflow(to, from, &span)) return ok = false, 0;
  __extension__ typedef __int128 wide;
  const auto numerator = static_cast<double>(static_cast<wide>(rate) * span);
  return std::exp(numerator / (60. * 60. * 24. * 365.24) / 10000.);
}

std::string fixed(double v, unsigned decimals) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  char buffer[700];  // the largest double has 309 digits before the point; at most 255 follow
  const int n = std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(decimals), v);
  std::string s(buffer, static_cast<std::size_t>(n));
  if (decimals == 0) return s;
  while (!s.empty() && s.back() == '0') s.pop_back();
  while (!s.empty() && s.back() == '.') s.pop_back();
  return s;
}

// Nothing when the mint's times cannot be subtracted.
std::optional<std::string> converted(std::uint64_t amount, const token_mint& mint, std::int64_t now) {
  if (const auto& i = mint.interest_bearing) {
    bool ok = true;
    const double before = growth(i->rate_before, i->initialized, i->updated, ok);
    const double after = growth(i->rate, i->updated, now, ok);
    if (!ok) return std::nullopt;
    return fixed(static_cast<double>(amount) * (before * after / ten_to(mint.decimals)), mint.decimals);
  }
  const auto& s = *mint.scaled;
  const double multiplier = now >= s.new_from ? s.new_multiplier : s.multiplier;
  return fixed(std::trunc(static_cast<double>(amount) * multiplier) / ten_to(mint.decimals), mint.decimals);
}

}  // namespace

void write_token_amount(json_writer& out, std::uint64_t amount, const token_mint& mint,
                        std::int64_t unix_timestamp) {
  if (!mint.interest_bearing && !mint.scaled) return out.raw(ui_amount_json(amount, mint.decimals));
  const auto text = converted(amount, mint, unix_timestamp);
  out.begin_object();
  out.key("amount");
  out.plain(std::to_string(amount));
  out.field("decimals", mint.decimals);
  out.key("uiAmount");
  double v = 0;
  const bool number = text && std::from_chars(text->data(), text->data() + text->size(), v).ec == std::errc{};
  number ? out.number(v) : out.null();
  out.field("uiAmountString", std::string_view(text ? *text : std::string{}));
  out.end_object();
}

}  // namespace osvm::solana
