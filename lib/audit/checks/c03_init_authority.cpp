#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

// An address that exists once for the whole program: every seed is fixed.
bool singleton(const view& v, term_id account) {
  const auto fixed = [&](auto&& self, term_id x, unsigned depth) -> bool {
    const auto& t = v.t[x];
    if (t.kind == tk::literal || t.kind == tk::constant) return true;
    if (t.kind != tk::list && t.kind != tk::call) return false;
    return depth < 6 &&
           std::all_of(t.args.begin(), t.args.end(), [&](term_id a) { return self(self, a, depth + 1); });
  };
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (e.kind != ek::check || v.t[e.a].kind != tk::cmp || e.by != proof::constraint) return false;
    const auto& x = v.t[e.a];
    for (int side = 0; side < 2; ++side) {
      const auto& k = v.t[x.args[static_cast<std::size_t>(side)]];
      const auto& pda = v.t[x.args[static_cast<std::size_t>(1 - side)]];
      if (k.kind == tk::key && k.args[0] == account && pda.kind == tk::pda && pda.args.size() > 1)
        return fixed(fixed, pda.args[1], 0);
    }
    return false;
  });
}

// Some signer is somebody in particular: by a constant, a stored key, the program's upgrade authority.
bool particular_signer(const view& v) {
  return std::any_of(v.in.slots.begin(), v.in.slots.end(), [&](term_id s) {
    if (v.signer_proof(s) == nullptr) return false;
    return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
      const auto kind = v.t[e.a].kind;
      return e.kind == ek::check && kind != tk::signer_flag && kind != tk::writable_flag &&
             v.mentions(e.a, s);
    });
  });
}

const event* sets_authority(const view& v, term_id account) {
  for (const auto& e : v.in.events)
    if (e.kind == ek::write && e.a == account && sounds_like_authority(e.text) && e.text != "*") return &e;
  return nullptr;
}

void run_c03(const check& self, const view& v) {
  for (const auto account : v.in.slots) {
    const auto* slot = v.p.slot_of(account);
    if (slot == nullptr || !slot->is_init || !slot->has_seeds || !singleton(v, account)) continue;
    const auto* set = sets_authority(v, account);
    if (set == nullptr || particular_signer(v)) continue;
    v.report(self, set->where,
             "`" + v.name(account) + "` exists once, and whoever calls first sets its `" +
                 std::string(set->text) + "`: anybody may be faster than the deployer",
             account)
        .seen.push_back({v.slot_span(account), "the account"});
  }
}

}  // namespace

extern const check c03_init_authority_check;
const check c03_init_authority_check{
    .id = "OSVM-C03",
    .name = "init-front-running",
    .title = "Anybody may initialise the program's global state",
    .cwe = 284,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "Between deployment and initialisation everybody sees the program. When the one global account takes "
        "its "
        "authority from the first caller, that may be somebody else.",
    .fix =
        "Compare the signer with a constant key, or with the upgrade authority in the program's data "
        "account.",
    .instruction = run_c03,
};

}  // namespace osvm::audit
