#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

// Any look at what the account held before.
bool looked_at(const view& v, term_id account) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (e.kind != ek::check || !v.mentions(e.a, account)) return false;
    const auto& x = v.t[e.a];
    if (x.kind == tk::signer_flag || x.kind == tk::writable_flag) return false;
    if (x.kind != tk::cmp) return true;
    // Of comparisons, those of the owner or the address say nothing about the content.
    return std::any_of(x.args.begin(), x.args.end(), [&](term_id a) {
      const auto kind = v.t[a].kind;
      return v.mentions(a, account) && kind != tk::owner && kind != tk::key;
    });
  });
}

bool created_here(const view& v, term_id account) {
  return v.any(ek::init, account) || v.passed_to_cpi(account) || v.any(ek::assign, account);
}

const event* takes_over(const view& v, term_id account) {
  for (const auto& e : v.in.events) {
    if (e.kind != ek::write || e.a != account || e.text == "*" || v.t[e.b].kind != tk::key) continue;
    if (v.t[e.b].args[0] != account) return &e;
  }
  return nullptr;
}

bool sounds_like_init(std::string_view name) {
  return name.find("init") != std::string_view::npos || name.starts_with("create") ||
         name.find("_create") != std::string_view::npos || name.starts_with("setup") ||
         name.starts_with("open_");
}

void run_c01(const check& self, const view& v) {
  for (const auto account : v.in.slots) {
    if (looked_at(v, account) || created_here(v, account)) continue;
    const auto* slot = v.p.slot_of(account);
    if (slot != nullptr && (slot->is_zero || slot->is_init || slot->is_init_if_needed)) continue;
    const auto* set = takes_over(v, account);
    const event* bytes = nullptr;
    for (const auto& e : v.in.events)
      if (e.kind == ek::write && e.a == account && e.text == "*") bytes = &e;
    const bool initializes =
        (set != nullptr && (sounds_like_authority(v.t[set->a].text) || sounds_like_authority(set->text))) ||
        (set != nullptr && sounds_like_init(v.in.name));
    if (v.raw(account) ? (bytes == nullptr || (!initializes && !(sounds_like_init(v.in.name) &&
                                                                 v.t[bytes->b].kind == tk::aggregate)))
                       : (!initializes || !v.typed(account)))
      continue;
    const auto& at = set != nullptr ? *set : *bytes;
    v.report(self, at.where,
             "`" + v.name(account) +
                 "` is initialised without asking whether it already is: calling this again "
                 "takes it over",
             account)
        .seen.push_back({v.slot_span(account), "the account"});
  }
}

}  // namespace

extern const check c01_reinitialization_check;
const check c01_reinitialization_check{
    .id = "OSVM-C01",
    .name = "reinitialization",
    .title = "An account can be initialised again",
    .cwe = 665,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale =
        "Initialisation sets who controls an account. If it can be repeated on an account in use, anyone "
        "takes control.",
    .fix = "Use `init`, or check a flag or discriminator of the account before writing, and set it.",
    .instruction = run_c01,
};

}  // namespace osvm::audit
