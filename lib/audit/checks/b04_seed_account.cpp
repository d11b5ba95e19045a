// An account that only a seed names, and nothing validates: whoever calls picks whose state is meant.
#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

// Accounts whose key is a seed of `account`'s address.
void seed_accounts(const view& v, term_id x, std::set<term_id>& out, unsigned depth = 0) {
  const auto& t = v.t[x];
  if (depth > 12) return;
  if (t.kind == tk::key) {
    out.insert(t.args[0]);
    return;
  }
  for (const auto a : t.args) seed_accounts(v, a, out, depth + 1);
}

struct derivation {
  const event* by = nullptr;
  std::set<term_id> seeds;
};

derivation derivation_of(const view& v, term_id account) {
  for (const auto& e : v.in.events) {
    const auto& x = v.t[e.a];
    if (e.kind != ek::check || x.kind != tk::cmp || x.args.size() != 2) continue;
    for (int side = 0; side < 2; ++side) {
      const auto& k = v.t[x.args[static_cast<std::size_t>(side)]];
      const auto& pda = v.t[x.args[static_cast<std::size_t>(1 - side)]];
      if (k.kind != tk::key || k.args[0] != account || pda.args.size() < 2) continue;
      if (pda.kind != tk::pda && pda.kind != tk::created_pda) continue;
      derivation d{&e, {}};
      seed_accounts(v, pda.args[1], d.seeds);
      return d;
    }
  }
  return {};
}

// What is taken away or changed, so that it matters whose it is. Creating it for somebody else does no harm.
const event* taken_from(const view& v, term_id account) {
  for (const auto& e : v.in.events) {
    if (e.a == account && (e.kind == ek::write || e.kind == ek::close)) return &e;
    if (e.a == account && e.kind == ek::lamports && e.text != "+=") return &e;
    if (e.kind == ek::cpi && e.b != no_term &&
        std::any_of(e.args.begin(), e.args.end(), [&](term_id a) { return v.mentions(a, account); }))
      return &e;
  }
  return nullptr;
}

// Used for nothing but the seed: not checked, not paid, not handed to a program, not stored.
bool only_a_seed(const view& v, term_id account, const derivation& d) {
  if (!v.raw(account) || v.t[account].kind == tk::param || v.signer_proof(account) != nullptr) return false;
  return std::none_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (&e == d.by || e.kind == ek::use || e.kind == ek::make_pda) return false;
    if (e.kind == ek::cpi) {
      // Its key among the signing seeds is the derivation again; among the accounts it is a party.
      return std::any_of(e.args.begin(), e.args.end(),
                         [&](term_id a) { return v.t[a].kind != tk::pda && v.mentions(a, account); });
    }
    return v.mentions(e.a, account) || v.mentions(e.b, account) ||
           std::any_of(e.args.begin(), e.args.end(), [&](term_id a) { return v.mentions(a, account); });
  });
}

bool signer_related(const view& v, term_id account) {
  return std::any_of(v.in.slots.begin(), v.in.slots.end(), [&](term_id s) {
    return s != account && v.signer_proof(s) != nullptr &&
           (v.related(account, s) || v.relation(s) != nullptr);
  });
}

void run_b04(const check& self, const view& v) {
  std::set<term_id> reported;
  for (const auto account : v.in.slots) {
    const auto d = derivation_of(v, account);
    if (d.by == nullptr || v.fresh(account) || signer_related(v, account)) continue;
    const auto* effect = taken_from(v, account);
    if (effect == nullptr) continue;
    for (const auto seed : d.seeds) {
      if (seed == account || !only_a_seed(v, seed, d) || !reported.insert(seed).second) continue;
      auto& f =
          v.report(self, v.slot_span(seed),
                   "`" + v.name(seed) + "` picks which `" + v.name(account) +
                       "` is meant, and nothing says who it is: not signed, not compared, of any program",
                   seed);
      f.seen.insert(f.seen.begin(), {effect->where, "the effect on the address derived from it"});
      f.seen.insert(f.seen.begin(), {d.by->where, "the derivation"});
    }
  }
}

}  // namespace

extern const check b04_seed_account_check;
const check b04_seed_account_check{
    .id = "OSVM-B04",
    .name = "seed-from-unvalidated-account",
    .title = "A seed comes from an account that nothing validates",
    .cwe = 345,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "Seeds prove that an address belongs to the key in them, not that whoever holds that key takes part. "
        "When the account is unchecked and no signer is related to the state, anybody names a stranger and "
        "acts on the stranger's state.",
    .fix = "Make the seed account a `Signer<'info>`, or compare it with a key that the state stores.",
    .instruction = run_b04,
};

}  // namespace osvm::audit
