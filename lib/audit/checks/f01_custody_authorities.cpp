#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

// Some check looks at the account's field.
const event* checked(const view& v, term_id account, std::string_view field,
                     bool (*fits)(const view&, const event&) = nullptr) {
  const auto holds = [&](auto&& self, term_id x, unsigned depth) -> bool {
    const auto& t = v.t[x];
    if (t.kind == tk::field && t.text == field && v.p.account_below(x) == account) return true;
    return depth < 8 &&
           std::any_of(t.args.begin(), t.args.end(), [&](term_id a) { return self(self, a, depth + 1); });
  };
  for (const auto& e : v.in.events)
    if (e.kind == ek::check && holds(holds, e.a, 0) && (fits == nullptr || fits(v, e))) return &e;
  return nullptr;
}

// What a program looks at when it takes an account into custody, and what belongs to that.
struct rule {
  std::string_view looked_at, forgotten;
  const char* harm;
};
constexpr rule rules[] = {
    {"delegate", "close_authority", "whoever is its close authority closes it when it is empty"},
    {"supply", "freeze_authority", "whoever may freeze accounts of that mint stops every holder"},
};

// A type of this program is no token account.
bool foreign(const view& v, term_id account) {
  if (v.p.names.has_type(v.p.inner_type(account))) return false;
  return std::none_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    return e.kind == ek::parse && e.a == account && v.p.names.has_type(e.text);
  });
}

// Refused unless it is none (delegate) or empty (supply), whatever else is the case.
bool refused(const view& v, const event& e) {
  if (e.path != 0 || e.weak) return false;
  const auto& x = v.t[e.a];
  return (x.kind == tk::call &&
          ((x.text == "is_some" && e.negated) || (x.text == "is_none" && !e.negated))) ||
         (x.kind == tk::cmp && x.text == "==" && std::any_of(x.args.begin(), x.args.end(), [&](term_id a) {
            const auto kind = v.t[a].kind;
            return (kind == tk::literal && v.t[a].text == "0") ||
                   (kind == tk::constant && last_segment(v.t[a].text) == "None");
          }));
}

void run_f01(const check& self, const view& v) {
  for (const auto account : v.in.slots) {
    if (v.fresh(account) || !foreign(v, account)) continue;
    for (const auto& r : rules) {
      const auto* e = checked(v, account, r.looked_at, refused);
      if (e == nullptr || checked(v, account, r.forgotten) != nullptr) continue;
      const bool mint = r.looked_at == "supply";
      if (mint && checked(v, account, "mint_authority") == nullptr) continue;
      if (!mint && checked(v, account, "owner") == nullptr) continue;
      v.report(self, e->where,
               "`" + v.name(account) + "`'s " + std::string(r.looked_at) + " is checked, its " +
                   std::string(r.forgotten) + " is not: " + r.harm,
               account);
    }
  }
}

}  // namespace

extern const check f01_custody_authorities_check;
const check f01_custody_authorities_check{
    .id = "OSVM-F01",
    .name = "custody-authorities",
    .title = "An account taken into custody keeps another's power",
    .cwe = 20,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "A token account has an owner, a delegate and a close authority; a mint an authority and a freeze "
        "authority. A program that accepts an account as its own and looks at some of them leaves the rest "
        "to "
        "whoever prepared it.",
    .fix =
        "Refuse the account unless its delegate, close authority and, for mints, freeze authority are none.",
    .instruction = run_f01,
};

}  // namespace osvm::audit
