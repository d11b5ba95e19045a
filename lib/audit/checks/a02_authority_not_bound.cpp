#include <algorithm>

#include "audit/model/names.hpp"
#include "check.hpp"

namespace osvm::audit {
namespace {

bool pays_only(std::string_view name) {
  return name.find("payer") != std::string_view::npos || name.find("crank") != std::string_view::npos ||
         name.find("keeper") != std::string_view::npos || name.find("relayer") != std::string_view::npos ||
         name.find("cosigner") != std::string_view::npos || name.find("funder") != std::string_view::npos;
}

// members: Vec<Pubkey>, or of structs that hold a key: one of several may act.
bool lists_keys(const view& v, const field_item& f) {
  static constexpr std::string_view names[] = {"members", "signers", "owners",   "admins",    "authorities",
                                               "keepers", "guards",  "managers", "operators", "whitelist"};
  if (std::find(std::begin(names), std::end(names), f.name) == std::end(names)) return false;
  const bool many = f.type.name == "Vec" || f.type.slice;
  if (!many || f.type.args.empty()) return false;
  const auto* item = program::strip(&f.type.args.front());
  if (is_pubkey(item)) return true;
  const auto* s = item != nullptr ? v.p.names.find_struct(item->name) : nullptr;
  return s != nullptr && std::any_of(s->fields.begin(), s->fields.end(),
                                     [](const field_item& x) { return is_pubkey(&x.type); });
}

// A field of the state that names who may act on it.
std::string_view authority_field(const view& v, std::string_view type) {
  const auto* s = v.p.names.find_struct(type);
  if (s == nullptr)
    return type == "TokenAccount" || type == "Account" ? std::string_view("owner") : std::string_view{};
  for (const auto& f : s->fields)
    if ((is_pubkey(&f.type) && (sounds_like_authority(f.name) || f.name == "mint_authority")) ||
        lists_keys(v, f))
      return f.name;
  return {};
}

// The signer decides something already: it is compared, derived from, stored, or hands its signature on.
bool bound(const view& v, term_id signer) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    const auto in = [&](term_id x) { return v.mentions(x, signer); };
    switch (e.kind) {
      case ek::check:
        return v.t[e.a].kind != tk::signer_flag && v.t[e.a].kind != tk::writable_flag && in(e.a);
      case ek::write: return in(e.b) || e.a == signer;
      case ek::cpi: return std::any_of(e.args.begin(), e.args.end(), in) || in(e.b);
      case ek::make_pda:
      case ek::init: return in(e.a) || in(e.b);
      case ek::lamports: return e.a == signer;
      case ek::escape: return e.a == signer;
      default: return false;
    }
  });
}

// The state stores a key by the very name of a signer, and nothing compares the two.
bool named_but_unrelated(const check& self, const view& v) {
  bool any = false;
  for (const auto s : v.in.slots)  // somebody else decides
    if (v.signer_proof(s) != nullptr && v.relation(s) != nullptr) return false;
  for (const auto signer : v.in.slots) {
    if (v.signer_proof(signer) == nullptr || bound(v, signer)) continue;
    for (const auto account : v.in.slots) {
      const auto* s = account != signer && v.typed(account) && !v.fresh(account)
                          ? v.p.names.find_struct(v.p.inner_type(account))
                          : nullptr;
      if (s == nullptr || v.opaque_check(account) != nullptr) continue;
      const auto field = std::find_if(s->fields.begin(), s->fields.end(), [&](const field_item& f) {
        return is_pubkey(&f.type) && stem_of(f.name) == stem_of(v.name(signer));
      });
      if (field == s->fields.end()) continue;
      auto& f = v.report(self, v.slot_span(signer),
                         "`" + v.name(signer) + "` signs, but nothing compares it with `" + v.name(account) +
                             "." + std::string(field->name) + "`: any signer may act",
                         signer);
      f.seen.insert(f.seen.begin(), {v.slot_span(account), "the state that names who may"});
      any = true;
      break;
    }
  }
  return any;
}

void run_a02(const check& self, const view& v) {
  if (named_but_unrelated(self, v)) return;
  term_id signer = no_term;
  for (const auto a : v.in.slots) {
    if (v.signer_proof(a) == nullptr) continue;
    if (bound(v, a)) return;  // whoever is bound decides; others may just pay
    if (!pays_only(v.name(a)) && signer == no_term) signer = a;
  }
  if (signer == no_term) return;
  for (const auto account : v.in.slots) {
    if (account == signer) continue;
    if (v.fresh(account)) continue;
    std::string_view type = v.p.inner_type(account);
    const event* read = nullptr;
    for (const auto& e : v.in.events)
      if (e.kind == ek::parse && e.a == account && e.by != proof::type) read = &e;
    if (type.empty() && read != nullptr) type = read->text;
    const auto field = authority_field(v, type);
    if (field.empty()) continue;
    const bool token = v.p.names.find_struct(type) == nullptr;
    const bool touched =
        token ? (read != nullptr || (v.relation(account) == nullptr && !v.passed_to_cpi(account)))
              : v.written(account);
    if (!touched) continue;
    auto& f = v.report(self, v.slot_span(signer),
                       "`" + v.name(signer) + "` signs, but nothing relates it to `" + v.name(account) +
                           "`: any signer may act, although `" + std::string(field) + "` names who should",
                       signer);
    f.seen.insert(f.seen.begin(), {v.slot_span(account), "the state that it acts on"});
    if (token) f.level = severity::medium;
    return;
  }
}

}  // namespace

extern const check a02_authority_not_bound_check;
const check a02_authority_not_bound_check{
    .id = "OSVM-A02",
    .name = "authority-not-bound",
    .title = "A signer is required but never related to the state",
    .cwe = 863,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale =
        "A signature only says who signed. If nothing compares the signer with the owner that the state "
        "stores, every "
        "wallet passes.",
    .fix =
        "Add `has_one = authority` or `constraint = state.authority == authority.key()`, or compare the keys "
        "before the effect.",
    .instruction = run_a02,
};

}  // namespace osvm::audit
