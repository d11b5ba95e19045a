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

// What the program itself stores in field `name` of a state of this type.
enum class stored_bump {
  never,      // no instruction sets it
  by_caller,  // only ever what a caller gave
  trusted,    // the canonical one, or something that was not understood
};

stored_bump what_is_stored(const view& v, std::string_view type, std::string_view name) {
  auto out = stored_bump::never;
  for (const auto& in : v.p.instructions)
    for (const auto& e : in.events) {
      const bool made = e.kind == ek::init || (e.kind == ek::write && (e.text == "*" || e.text == name));
      if (!made || v.p.inner_type(e.a) != type) continue;
      if (e.kind == ek::init || e.text == "*") {
        if (out == stored_bump::never) out = stored_bump::trusted;
        continue;
      }
      if (!caller_chosen(v, e.b)) return stored_bump::trusted;
      out = stored_bump::by_caller;
    }
  return out;
}

// The account brings the bump that its own address is judged by, and the program never stored the canonical
// one.
bool brings_its_own(const view& v, const event& e, term_id bump) {
  const auto& t = v.t[bump];
  if (t.kind != tk::field || v.t[t.args[0]].kind != tk::parsed) return false;
  const auto type = v.t[t.args[0]].text;
  if (!v.p.names.has_type(type)) return false;
  switch (what_is_stored(v, type, t.text)) {
    case stored_bump::trusted: return false;
    case stored_bump::by_caller: return true;
    case stored_bump::never: break;
  }
  const auto account = v.p.account_below(bump);
  return e.by == proof::code && std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& c) {
           if (c.kind != ek::check || v.t[c.a].kind != tk::cmp || !v.mentions(c.a, e.a)) return false;
           return std::any_of(v.t[c.a].args.begin(), v.t[c.a].args.end(),
                              [&](term_id a) { return v.t[a].kind == tk::key && v.t[a].args[0] == account; });
         });
}

void run_b01(const check& self, const view& v) {
  for (const auto& e : v.in.events) {
    if (e.kind != ek::make_pda) continue;
    const auto bump = e.by == proof::constraint && !e.args.empty() ? e.args[0] : bump_of(v, e.b);
    if (bump == e.b && v.t[bump].kind == tk::param) continue;  // the whole list comes from outside
    if (brings_its_own(v, e, bump)) {
      v.report(
          self, e.where,
          "the bump of this address is what the account stores, and no instruction stores the canonical one: "
          "up to 255 addresses pass for the same seeds",
          no_term);
      continue;
    }
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
