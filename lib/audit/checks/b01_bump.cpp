#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

bool caller_chosen(const view& v, term_id x, unsigned depth = 0) {
  const auto& t = v.t[x];
  if (depth > 16) return false;
  if (t.kind == tk::param) return !v.p.is_account(x);
  if (t.kind == tk::call && t.text.starts_with("argument ")) return true;
  if (t.kind == tk::pda_bump || t.kind == tk::parsed || t.kind == tk::slot || t.kind == tk::data)
    return false;
  return std::any_of(t.args.begin(), t.args.end(), [&](term_id a) { return caller_chosen(v, a, depth + 1); });
}

// The last seed, taken out of its slices.
term_id bump_of(const view& v, term_id seeds) {
  for (int i = 0; i < 6; ++i) {
    const auto& t = v.t[seeds];
    if (t.kind == tk::list && !t.args.empty()) {
      seeds = t.args.back();
    } else if (t.kind == tk::call && t.args.size() == 1 &&
               t.text.find("from_ref") != std::string_view::npos) {
      seeds = t.args[0];
    } else {
      break;
    }
  }
  return seeds;
}

void run_b01(const check& self, const view& v) {
  for (const auto& e : v.in.events) {
    if (e.kind != ek::make_pda) continue;
    const auto bump = e.by == proof::constraint && !e.args.empty() ? e.args[0] : bump_of(v, e.b);
    if (bump == e.b && v.t[bump].kind == tk::param) continue;  // the whole list comes from outside
    if (!caller_chosen(v, bump)) continue;
    const bool canonical = std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& c) {
      if (c.kind != ek::check || !v.mentions(c.a, bump)) return false;
      const auto& x = v.t[c.a];
      return x.kind == tk::cmp &&
             std::any_of(
                 x.args.begin(), x.args.end(),
                 [&](term_id a) { return v.t[a].kind == tk::pda_bump || v.p.account_below(a) != no_term; }) &&
             !std::any_of(x.args.begin(), x.args.end(), [&](term_id a) {
               return v.t[a].kind == tk::created_pda || v.t[a].kind == tk::key;
             });
    });
    if (canonical) continue;
    v.report(self, e.where,
             "the bump of this address comes from the caller: up to 255 addresses pass for the same seeds",
             no_term);
  }
}

}  // namespace

extern const check b01_bump_check;
const check b01_bump_check{
    .id = "OSVM-B01",
    .name = "non-canonical-bump",
    .title = "A program address is derived with a bump of the caller's choice",
    .cwe = 694,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "Several bumps give valid addresses for the same seeds. Where the caller chooses, an account that "
        "should exist once "
        "exists many times.",
    .fix =
        "Use `find_program_address` or Anchor's bare `bump`; store the canonical bump and use the stored "
        "one.",
    .instruction = run_b01,
};

}  // namespace osvm::audit
