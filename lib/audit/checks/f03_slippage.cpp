// A swap whose outcome the caller cannot bound.
#include <algorithm>

#include "audit/model/library.hpp"
#include "check.hpp"

namespace osvm::audit {
namespace {

bool is_exchange(std::string_view name) {
  for (const std::string_view word : {"swap", "exchange", "trade", "buy", "sell"}) {
    const auto at = name.find(word);
    if (at == std::string_view::npos) continue;
    if (at == 0 || name[at - 1] == '_') return true;
  }
  return false;
}

bool of_caller(const view& v, term_id x) {
  const auto* t = &v.t[x];
  for (int i = 0; i < 8 && t->kind == tk::field; ++i) t = &v.t[t->args[0]];
  if (t->kind == tk::call && t->text.starts_with("argument ")) return true;
  if (t->kind != tk::param) return false;
  const auto* type = program::strip(v.p.type_of(x));
  return type == nullptr || !v.p.is_account_type(type);
}

bool multiplies(const term& t) {
  if (t.kind == tk::arith) return t.text == "*" || t.text == "/";
  if (t.kind != tk::call) return false;
  const auto name = last_segment(t.text);
  for (const std::string_view word : {"mul", "div", "swap", "quote", "price", "curve", "pow"})
    if (name.find(word) != std::string_view::npos) return true;
  return false;
}

struct ingredients {
  bool product = false, caller = false, state = false;
};

// What an amount is made of.
void look(const view& v, term_id x, ingredients& out, unsigned depth = 0) {
  const auto& t = v.t[x];
  if (depth > 20) return;
  out.product = out.product || multiplies(t);
  out.caller = out.caller || of_caller(v, x);
  if (t.kind == tk::parsed || t.kind == tk::lamports) out.state = true;
  for (const auto a : t.args) look(v, a, out, depth + 1);
}

bool computed(const view& v, term_id x) {
  ingredients i;
  look(v, x, i);
  return i.product && i.caller && i.state;
}

// What is computed is held against what the caller said it must be, or handed to something that may do it.
bool outcome_bounded(const view& v) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (e.kind != ek::check) return false;
    const auto& x = v.t[e.a];
    if (x.kind == tk::call)
      return e.by == proof::opaque &&
             std::any_of(x.args.begin(), x.args.end(), [&](term_id a) { return of_caller(v, a); });
    if (x.kind != tk::cmp || x.args.size() != 2 || x.text == "==" || x.text == "!=") return false;
    for (int side = 0; side < 2; ++side) {
      const auto mine = x.args[static_cast<std::size_t>(side)];
      const auto other = x.args[static_cast<std::size_t>(1 - side)];
      if (!of_caller(v, mine)) continue;
      ingredients i;
      look(v, other, i);
      if (i.product || v.t[other].kind == tk::call || v.t[other].kind == tk::phi ||
          v.t[other].kind == tk::unknown || v.t[other].kind == tk::arith || other == no_term)
        return true;
      // A price or an amount of the state held against a limit of the caller's.
      if (v.t[other].kind == tk::field && v.t[mine].kind != tk::field) {
        const auto name = v.t[other].text;
        if (name.find("price") != std::string_view::npos || name.find("rate") != std::string_view::npos)
          return true;
      }
    }
    return false;
  });
}

// The amount that goes to the caller: what the program signs for, or what leaves a reserve.
const event* payout(const view& v) {
  for (const auto& e : v.in.events) {
    if (e.kind == ek::cpi && e.b != no_term && e.c != no_term && computed(v, e.c)) return &e;
    if (e.kind == ek::cpi && e.b != no_term && !e.args.empty() && find_builder(e.text) != nullptr) {
      const auto& built = v.t[e.args[0]];
      if (std::any_of(built.args.begin(), built.args.end(), [&](term_id a) { return computed(v, a); }))
        return &e;
    }
    if (e.kind == ek::lamports && e.text == "-=" && computed(v, e.b)) return &e;
    if (e.kind == ek::arith && e.text == "-=" && v.p.account_below(e.a) != no_term && computed(v, e.b))
      return &e;
  }
  return nullptr;
}

void run_f03(const check& self, const view& v) {
  if (!is_exchange(v.in.name) || v.in.capped) return;
  const auto* out = payout(v);
  if (out == nullptr || outcome_bounded(v)) return;
  v.report(self, out->where,
           "`" + v.in.name +
               "` pays what it computes from the state at hand, and no bound of the caller's is "
               "compared with it: the price may have moved before");
}

}  // namespace

extern const check f03_slippage_check;
const check f03_slippage_check{
    .id = "OSVM-F03",
    .name = "missing-slippage-bound",
    .title = "An exchange has no bound on its outcome",
    .cwe = 20,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "What a swap pays depends on the pool when it runs, not when it was signed. Without a least amount "
        "that "
        "the caller names, others move the price in between and take the difference.",
    .fix =
        "Take a `minimum_amount_out` (or a most to pay) as an argument and refuse when the outcome is worse.",
    .instruction = run_f03,
};

}  // namespace osvm::audit
