// A new account of which one place sets less than the others, or of which nobody sets what is relied on.
#include <algorithm>
#include <map>

#include "check.hpp"

namespace osvm::audit {
namespace {

struct new_state {
  const instruction* in = nullptr;
  term_id account = no_term;
  std::set<std::string_view> set;
  bool whole = false;  // its bytes were set at once, or something that was not understood
};

bool is_filler(std::string_view name) {
  return name.starts_with('_') || name.find("padding") != std::string_view::npos ||
         name.find("reserved") != std::string_view::npos ||
         name.find("discriminator") != std::string_view::npos;
}

bool has_field_named(const struct_item& s, std::string_view name) {
  return std::any_of(s.fields.begin(), s.fields.end(), [&](const field_item& f) { return f.name == name; });
}

new_state state_made(const view& v, term_id account, const struct_item& type) {
  new_state n{&v.in, account, {}, false};
  for (const auto& e : v.in.events) {
    const bool mine = e.a == account && (e.kind == ek::write || e.kind == ek::escape);
    if (!mine) continue;
    if (e.kind == ek::escape || e.text == "*" || !has_field_named(type, e.text)) n.whole = true;
    n.set.insert(e.text);
  }
  return n;
}

// Every field that any instruction sets later, by type.
std::map<std::string_view, std::set<std::string_view>> set_anywhere(const program_view& pv) {
  std::map<std::string_view, std::set<std::string_view>> out;
  for (const auto& in : pv.p.instructions)
    for (const auto& e : in.events)
      if (e.kind == ek::write && pv.p.is_account(e.a)) out[pv.p.inner_type(e.a)].insert(e.text);
  return out;
}

// Fields of `type` that some expression of the program names.
std::set<std::string_view> named_fields(const program_view& pv, std::string_view type) {
  std::set<std::string_view> out;
  for (term_id id = 1; id < pv.p.terms.size(); ++id) {
    const auto& t = pv.p.terms[id];
    if (t.kind == tk::field && pv.p.terms[t.args[0]].kind == tk::parsed && pv.p.terms[t.args[0]].text == type)
      out.insert(t.text);
  }
  return out;
}

void tell(const check& self, const program_view& pv, const new_state& n, const field_item& field,
          const std::string& why) {
  const view v(pv.p, *n.in, pv.out);
  auto& f = v.report(self, v.slot_span(n.account),
                     "`" + n.in->name + "` creates `" + v.name(n.account) + "` without setting its `" +
                         std::string(field.name) + "`: " + why,
                     n.account);
  f.topic = field.name;
}

void judge_type(const check& self, const program_view& pv, const struct_item& type,
                const std::vector<new_state>& all, const std::set<std::string_view>& later) {
  const auto named = named_fields(pv, type.name);
  for (const auto& field : type.fields) {
    if (is_filler(field.name)) continue;
    const auto sets = [&](const new_state& n) { return n.whole || n.set.contains(field.name); };
    const bool some =
        std::any_of(all.begin(), all.end(), [&](const new_state& n) { return n.set.contains(field.name); });
    for (const auto& n : all) {
      if (sets(n)) continue;
      if (some) {
        tell(self, pv, n, field, "the other place that creates a `" + std::string(type.name) + "` does");
      } else if (is_pubkey(&field.type) && field.type.name != "Option" && named.contains(field.name) &&
                 !later.contains(field.name) && !later.contains("*")) {
        tell(self, pv, n, field, "nothing ever does, and it is relied on: it stays the zero key");
      }
    }
  }
}

void run_c09(const check& self, const program_view& pv) {
  std::map<const struct_item*, std::vector<new_state>> made;
  for (const auto& in : pv.p.instructions) {
    if (in.capped) continue;
    const view v(pv.p, in, pv.out);
    for (const auto account : in.slots) {
      const auto* slot = pv.p.slot_of(account);
      if (slot == nullptr || (!slot->is_init && !slot->is_zero)) continue;
      const auto* type = pv.p.names.find_struct(pv.p.inner_type(account));
      if (type == nullptr || type->is_enum || type->fields.empty()) continue;
      made[type].push_back(state_made(v, account, *type));
    }
  }
  auto later = set_anywhere(pv);
  for (const auto& [type, file] : pv.p.names.structs)
    if (const auto it = made.find(type); it != made.end())
      judge_type(self, pv, *type, it->second, later[type->name]);
}

}  // namespace

extern const check c09_partial_init_check;
const check c09_partial_init_check{
    .id = "OSVM-C09",
    .name = "partial-initialisation",
    .title = "A new account's field is never set",
    .cwe = 665,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "A new account holds zeros. A limit that was forgotten is zero, an authority that was forgotten is "
        "the "
        "zero key, and every later check relies on it.",
    .fix = "Set every field where the account is created, best by one `set_inner(State { .. })`.",
    .program = run_c09,
};

}  // namespace osvm::audit
