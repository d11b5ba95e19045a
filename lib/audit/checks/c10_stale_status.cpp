// A state's flag that says what was done already, and that the instruction which does it never reads.
#include <algorithm>
#include <map>

#include "check.hpp"

namespace osvm::audit {
namespace {

const field_item* field_named(const struct_item& s, std::string_view name) {
  for (const auto& f : s.fields)
    if (f.name == name) return &f;
  return nullptr;
}

// A truth value or an enum without contents.
bool is_status(const view& v, const field_item& f) {
  const auto* t = program::strip(&f.type);
  if (t == nullptr || f.type.name == "Option") return false;
  if (t->name == "bool") return true;
  const auto* s = v.p.names.find_struct(t->name);
  return s != nullptr && s->is_enum;
}

// Words for something that happens once.
bool happens_once(std::string_view name) {
  for (const std::string_view word :
       {"claimed", "executed", "used",      "settled", "cancel",    "closed",     "redeemed",    "withdrawn",
        "paid",    "released", "processed", "finali",  "complet",   "refunded",   "consumed",    "collected",
        "status",  "state",    "done",      "spent",   "fulfilled", "liquidated", "distributed", "minted"})
    if (name.find(word) != std::string_view::npos) return true;
  return false;
}

// What leaves: signed by the program, or lamports of its own.
const event* value_leaves(const view& v) {
  for (const auto& e : v.in.events) {
    if (e.kind == ek::lamports && e.text != "+=") return &e;
    if (e.kind != ek::cpi || e.b == no_term) continue;
    const auto name = last_segment(e.text);
    if (name.starts_with("transfer") || name.starts_with("Transfer") || name.starts_with("mint_to") ||
        name.starts_with("MintTo") || name == "invoke")
      return &e;
  }
  return nullptr;
}

bool consulted(const view& v, term_id account, std::string_view field) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (e.kind != ek::check) return false;
    if (e.by == proof::opaque && v.mentions(e.a, account)) return true;
    const auto holds = [&](auto&& self, term_id x, unsigned depth) -> bool {
      const auto& t = v.t[x];
      if (t.kind == tk::field && t.text == field && v.p.account_below(x) == account) return true;
      // A method of the state that was not understood may have looked.
      if (t.kind == tk::call && !t.args.empty() && v.p.account_below(t.args[0]) == account) return true;
      return depth < 12 &&
             std::any_of(t.args.begin(), t.args.end(), [&](term_id a) { return self(self, a, depth + 1); });
    };
    return holds(holds, e.a, 0);
  });
}

bool constant(const view& v, term_id x) {
  return v.t[x].kind == tk::constant || (v.t[x].kind == tk::literal && v.t[x].text == "true");
}

// Without the account nothing of it is left to be done twice.
bool gone_afterwards(const view& v, term_id account) {
  const auto* slot = v.p.slot_of(account);
  return v.any(ek::close, account) || (slot != nullptr && slot->is_close);
}

void run_c10(const check& self, const view& v) {
  const auto* value = value_leaves(v);
  if (value == nullptr || v.in.capped) return;
  std::set<std::pair<term_id, std::string_view>> reported;
  for (const auto& e : v.in.events) {
    if (e.kind != ek::write || !v.p.is_account(e.a) || !constant(v, e.b)) continue;
    const auto* type = v.p.names.find_struct(v.p.inner_type(e.a));
    const auto* field = type != nullptr ? field_named(*type, e.text) : nullptr;
    if (field == nullptr || !is_status(v, *field) || !happens_once(field->name)) continue;
    if (v.fresh(e.a) || gone_afterwards(v, e.a) || consulted(v, e.a, e.text)) continue;
    if (!reported.insert({e.a, e.text}).second) continue;
    auto& f =
        v.report(self, e.where,
                 "`" + v.name(e.a) + "." + std::string(e.text) +
                     "` is set, and value leaves, but nothing looks at it before: the same can be done again",
                 e.a);
    f.seen.insert(f.seen.begin(), {value->where, "what leaves"});
  }
}

}  // namespace

extern const check c10_stale_status_check;
const check c10_stale_status_check{
    .id = "OSVM-C10",
    .name = "status-not-consulted",
    .title = "A flag is set but never looked at",
    .cwe = 372,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale =
        "A flag that says that something was done protects only where it is read. An instruction that pays "
        "and "
        "then sets `claimed`, without having refused a claimed state, pays again.",
    .fix =
        "Refuse the state when the flag says that it was done: `require!(!state.claimed, ...)` before the "
        "effect.",
    .instruction = run_c10,
};

}  // namespace osvm::audit
