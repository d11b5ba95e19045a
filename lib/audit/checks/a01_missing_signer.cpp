#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

// Who paid or may be paid back decides nothing.
bool holds_no_power(std::string_view field) {
  return field.find("payer") != std::string_view::npos || field.find("receiver") != std::string_view::npos ||
         field.find("creator") != std::string_view::npos || field == "user";
}

// It receives lamports or holds state of a program: its address is checked for what it is, not for who acts.
bool is_object(const view& v, term_id account, const event* tied) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (e.kind == ek::init) return e.a == account;
    // On some branches only (a multisig instead of a key), it may still be a holder.
    if (tied != nullptr && !v.dominates(e.path, tied->path)) return false;
    if (e.kind == ek::parse) return e.a == account;
    if (e.kind == ek::lamports) return e.a == account && e.text == "+=";
    if (e.kind == ek::close) return e.b == account;
    const auto& x = v.t[e.a];
    return e.kind == ek::check && x.kind == tk::cmp &&
           std::any_of(x.args.begin(), x.args.end(),
                       [&](term_id a) { return v.t[a].kind == tk::owner && v.t[a].args[0] == account; });
  });
}

// A stored authority that `account`'s key was compared with: the program means it to decide.
const event* authority_relation(const view& v, term_id account) {
  for (const auto& e : v.in.events) {
    if (e.kind != ek::check) continue;
    const auto& x = v.t[e.a];
    if (x.kind != tk::cmp || x.text != "==") continue;
    for (int side = 0; side < 2; ++side) {
      const auto& k = v.t[x.args[static_cast<std::size_t>(side)]];
      if (k.kind != tk::key || k.args[0] != account) continue;
      const auto& other = v.t[x.args[static_cast<std::size_t>(1 - side)]];
      const auto state = v.p.account_below(x.args[static_cast<std::size_t>(1 - side)]);
      if (other.kind == tk::field && sounds_like_authority(other.text) && !holds_no_power(other.text) &&
          state != account && !v.fresh(state))
        return &e;
    }
  }
  return nullptr;
}

// The key is an argument of the look-up, or what its closure compares with.
bool looked_up(const view& v, term_id call, term_id account) {
  const auto is_key = [&](term_id x) { return v.t[x].kind == tk::key && v.t[x].args[0] == account; };
  for (unsigned depth = 0; depth < 4; ++depth) {
    const auto& x = v.t[call];
    if (x.kind != tk::call || x.args.empty()) return false;
    for (std::size_t i = 1; i < x.args.size(); ++i) {
      const auto& a = v.t[x.args[i]];
      if (is_key(x.args[i]) || (a.kind == tk::cmp && std::any_of(a.args.begin(), a.args.end(), is_key)))
        return true;
    }
    call = x.args[0];
  }
  return false;
}

// multisig.is_member(member.key()): the key is looked up in a state account.
const event* membership(const view& v, term_id account) {
  for (const auto& e : v.in.events) {
    if (e.kind != ek::check || e.by != proof::code || v.t[e.a].kind == tk::cmp) continue;
    const auto& x = v.t[e.a];
    const bool looks_up = x.text.find("member") != std::string_view::npos ||
                          x.text.find("contains") != std::string_view::npos || x.text == "is_some" ||
                          x.text == "any" || x.text.find("position") != std::string_view::npos;
    if (x.kind != tk::call || !looks_up || !looked_up(v, e.a, account)) continue;
    for (const auto state : v.in.slots)
      if (state != account && v.typed(state) && v.mentions(e.a, state)) return &e;
  }
  return nullptr;
}

const event* privileged_effect(const view& v, term_id account) {
  for (const auto& e : v.in.events) {
    const bool effect = e.kind == ek::write || e.kind == ek::close ||
                        (e.kind == ek::lamports && e.text != "+=") || (e.kind == ek::cpi && e.b != no_term);
    if (effect && e.a != account) return &e;
  }
  return nullptr;
}

bool key_used_elsewhere(const view& v, term_id account) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (e.kind == ek::use || e.kind == ek::read || e.kind == ek::arith || e.kind == ek::ignored) return false;
    if (e.kind == ek::check && v.t[e.a].kind == tk::writable_flag) return false;
    return v.mentions(e.a, account) || v.mentions(e.b, account) ||
           std::any_of(e.args.begin(), e.args.end(), [&](term_id a) { return v.mentions(a, account); });
  });
}

void run_a01(const check& self, const view& v) {
  for (const auto account : v.in.slots) {
    if (v.p.wrapper_of(account) == "Signer" || v.signer_proof(account) != nullptr) continue;
    const auto* slot = v.p.slot_of(account);
    if (slot != nullptr && slot->has_seeds) continue;
    if (v.pda_signer(account)) continue;
    const std::string name = v.name(account);
    const auto* tied = authority_relation(v, account);
    if (tied == nullptr) tied = membership(v, account);
    if (is_object(v, account, tied)) continue;
    const auto* effect = privileged_effect(v, account);
    if (tied != nullptr && effect != nullptr && v.raw(account)) {
      auto& f = v.report(self, tied->where,
                         "`" + name +
                             "` is compared with the stored authority, but nothing shows that it signed; "
                             "anyone can pass that address",
                         account);
      f.seen.insert(f.seen.begin(), {effect->where, "the effect that it should authorise"});
      f.seen.insert(f.seen.begin(), {v.slot_span(account), "the account"});
      continue;
    }
    if (!v.raw(account) || v.t[account].kind == tk::param || !sounds_like_authority(name)) continue;
    // By its name it decides, and nothing binds it to anything: no check, no seeds, no call that wants its
    // signature.
    if (key_used_elsewhere(v, account)) continue;
    const bool used =
        v.any(ek::use, account) || slot == nullptr || slot->field == nullptr || effect != nullptr;
    if (!used) continue;
    v.report(self, v.slot_span(account),
             "`" + name + "` is trusted by its name only: it is neither a Signer nor tested for is_signer",
             account)
        .sure = confidence::heuristic;
  }
}

}  // namespace

extern const check a01_missing_signer_check;
const check a01_missing_signer_check{
    .id = "OSVM-A01",
    .name = "missing-signer",
    .title = "An authority is not proven to have signed",
    .cwe = 862,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale =
        "Addresses are public. An account that is compared with a stored key, or that decides by its role, "
        "proves "
        "nothing unless its holder signed the transaction: anyone can pass the right address.",
    .fix = "Make the account a `Signer<'info>` (Anchor), or return an error unless `account.is_signer`.",
    .instruction = run_a01,
};

}  // namespace osvm::audit
