#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

// The address holds a signer's key: a caller reaches an account of their own only.
bool confined(const view& v, term_id account) {
  return std::any_of(v.in.slots.begin(), v.in.slots.end(), [&](term_id s) {
    return s != account && v.signer_proof(s) != nullptr && v.related(account, s);
  });
}

bool state_looked_at(const view& v, term_id account) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    const auto& x = v.t[e.a];
    return e.kind == ek::check && e.by == proof::code && x.kind == tk::cmp &&
           std::any_of(x.args.begin(), x.args.end(), [&](term_id a) {
             return v.t[a].kind == tk::field && v.p.account_below(a) == account;
           });
  });
}

void run_c02(const check& self, const view& v) {
  for (const auto account : v.in.slots) {
    const auto* slot = v.p.slot_of(account);
    if (slot == nullptr || !slot->is_init_if_needed || !v.p.names.has_type(v.p.inner_type(account))) continue;
    const event* set = nullptr;
    for (const auto& e : v.in.events)
      if (e.kind == ek::write && e.a == account && v.t[e.b].kind == tk::key) set = &e;
    if (set == nullptr || confined(v, account) || state_looked_at(v, account)) continue;
    v.report(self, set->where,
             "`" + v.name(account) + "` may exist already (init_if_needed), and its `" +
                 std::string(set->text) + "` is set without looking: a second caller takes it over",
             account);
  }
}

}  // namespace

extern const check c02_init_if_needed_check;
const check c02_init_if_needed_check{
    .id = "OSVM-C02",
    .name = "init-if-needed",
    .title = "init_if_needed without a guard",
    .cwe = 665,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "With init_if_needed the handler also runs for an account that is in use. Fields that say who "
        "controls it are then "
        "set again by whoever calls.",
    .fix = "Use `init`, put the caller's key into the seeds, or check a field before setting it.",
    .instruction = run_c02,
};

}  // namespace osvm::audit
