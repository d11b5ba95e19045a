#include "check.hpp"

namespace osvm::audit {
namespace {

// Taken out of Anchor's remaining_accounts: by index, or by an iterator.
bool is_remaining(const view& v, term_id account) {
  if (v.in.accounts == nullptr) return false;
  if (v.t[account].kind == tk::element) return v.t[v.t[account].args[0]].kind == tk::remaining;
  const auto* slot = v.p.slot_of(account);
  return slot != nullptr && slot->field == nullptr;
}

// What makes its content or its identity matter: it is changed, read as a state of this program, or a signed
// call gets it.
const event* consequence(const view& v, term_id account) {
  for (const auto& e : v.in.events) {
    if (e.kind == ek::parse && e.a == account && v.p.names.has_type(e.text)) return &e;
    if ((e.kind == ek::write || e.kind == ek::lamports || e.kind == ek::close) && e.a == account) return &e;
  }
  return nullptr;
}

void run_a09(const check& self, const view& v) {
  for (const auto account : v.in.slots) {
    if (!is_remaining(v, account)) continue;
    const auto* e = consequence(v, account);
    if (e == nullptr || v.key_proof(account) != nullptr || v.relation(account) != nullptr) continue;
    auto& f = v.report(
        self, e->where,
        "an account out of remaining_accounts is used here, and nothing compares its address or what "
        "it stores with another account: the caller chooses it",
        account);
    f.sure = confidence::strong;
  }
}

}  // namespace

extern const check a09_remaining_accounts_check;
const check a09_remaining_accounts_check{
    .id = "OSVM-A09",
    .name = "remaining-accounts-unvalidated",
    .title = "An account out of remaining_accounts is used unchecked",
    .cwe = 20,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "Anchor checks nothing about remaining accounts. One that is read as a state of the program, or "
        "changed, "
        "must be tied to the others: with the right owner and type alone it may be another pool's.",
    .fix =
        "Compare its key with a derivation or a stored key, or a key that it stores with the account it "
        "belongs to.",
    .instruction = run_a09,
};

}  // namespace osvm::audit
