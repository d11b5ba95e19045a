#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

// Inside a loop one term stands for every element, so two of them need not be the same.
bool in_loop(const view& v, term_id x, unsigned depth = 0) {
  const auto& t = v.t[x];
  if (t.kind == tk::literal && t.text == "each") return true;
  return depth < 12 &&
         std::any_of(t.args.begin(), t.args.end(), [&](term_id a) { return in_loop(v, a, depth + 1); });
}

void run_a14(const check& self, const view& v) {
  for (const auto& e : v.in.events) {
    if (e.kind != ek::check || e.by == proof::type) continue;
    const auto& x = v.t[e.a];
    if (x.kind != tk::cmp || x.args[0] != x.args[1] || x.args[0] == no_term) continue;
    if (x.text != "==" && x.text != "!=") continue;  // before against after

    const auto kind = v.t[x.args[0]].kind;
    if ((kind != tk::key && kind != tk::owner && kind != tk::field) || in_loop(v, x.args[0])) continue;
    const auto account = v.p.account_below(x.args[0]);
    if (account == no_term) continue;
    v.report(self, e.where,
             "both sides of this check are the same value of `" + v.name(account) + "`: it decides nothing",
             account);
  }
}

}  // namespace

extern const check a14_compared_to_itself_check;
const check a14_compared_to_itself_check{
    .id = "OSVM-A14",
    .name = "compared-to-itself",
    .title = "A check compares a value with itself",
    .cwe = 697,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale =
        "A comparison of a value with itself always has the same outcome. The check that was meant is "
        "missing.",
    .fix = "Compare with the value that the program stores or expects.",
    .instruction = run_a14,
};

}  // namespace osvm::audit
