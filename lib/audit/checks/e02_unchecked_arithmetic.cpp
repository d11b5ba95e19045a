#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

bool is_value(const view& v, term_id x) {
  // Not lamports: the runtime refuses a transaction that makes any.
  return v.t[x].kind == tk::field && v.p.account_below(x) != no_term;
}

// A comparison of the two operands bounds the result.
bool bounded(const view& v, const event& sum) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    return e.kind == ek::check && v.mentions(e.a, sum.a) &&
           (v.mentions(e.a, sum.b) || v.t[e.a].kind == tk::cmp);
  });
}

void run_e02(const check& self, const view& v) {
  if (v.p.source.overflow_checks || v.p.source.manifest_display.empty()) return;
  for (const auto& e : v.in.events) {
    if (e.kind != ek::arith || (e.text != "+=" && e.text != "-=" && e.text != "*=")) continue;
    const auto kind = v.t[e.b].kind;
    if (!is_value(v, e.a) || kind == tk::literal || kind == tk::constant || bounded(v, e)) continue;
    const auto account = v.p.account_below(e.a);
    v.report(self, e.where,
             "`" + v.name(account) + "`'s value changes by " + std::string(e.text.substr(0, 1)) +
                 " without a bound, and overflow checks are off: it wraps around",
             account);
  }
}

}  // namespace

extern const check e02_unchecked_arithmetic_check;
const check e02_unchecked_arithmetic_check{
    .id = "OSVM-E02",
    .name = "unchecked-arithmetic",
    .title = "Stored values change by arithmetic that may wrap around",
    .cwe = 190,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "Without overflow checks, a subtraction below zero gives a huge number. On a balance that is money "
        "from nothing.",
    .fix =
        "Use checked_add, checked_sub or checked_mul and return an error on None, or switch overflow checks "
        "on.",
    .instruction = run_e02,
};

}  // namespace osvm::audit
