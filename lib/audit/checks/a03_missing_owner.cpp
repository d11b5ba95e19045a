#include <algorithm>

#include "audit/engine/outliers.hpp"

namespace osvm::audit {
namespace {

bool reads(const view& v, term_id x, term_id account, unsigned depth = 0) {
  const auto& t = v.t[x];
  if (t.kind == tk::parsed || t.kind == tk::data) return !t.args.empty() && t.args[0] == account;
  return depth < 16 && std::any_of(t.args.begin(), t.args.end(),
                                   [&](term_id a) { return reads(v, a, account, depth + 1); });
}

// The content decides something: it is shown, stored, passed on, or compared with another account. Reading it
// only to refuse the account itself does no harm.
bool matters(const view& v, term_id account) {
  for (const auto& e : v.in.events) {
    const auto holds = [&](term_id x) { return reads(v, x, account); };
    switch (e.kind) {
      case ek::check:
        if (!holds(e.a)) break;
        for (const auto other : v.in.slots)
          if (other != account && v.mentions(e.a, other)) return true;
        break;
      case ek::parse: break;
      case ek::escape: break;
      default:
        if (holds(e.b) || (e.a != account && holds(e.a))) return true;
        for (const auto a : e.args)
          if (holds(a)) return true;
    }
  }
  return false;
}

bool has_effect(const view& v) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [](const event& e) {
    return e.kind == ek::write || e.kind == ek::lamports || e.kind == ek::cpi || e.kind == ek::close;
  });
}

// The raw account whose bytes a value is made of, without their having been read as a type.
term_id bytes_in(const view& v, term_id x, unsigned depth = 0) {
  const auto& t = v.t[x];
  if (t.kind == tk::data && !t.args.empty()) return v.raw(t.args[0]) ? t.args[0] : no_term;
  if (depth > 12 || t.kind == tk::parsed) return no_term;
  // How long they are says nothing.
  if (t.kind == tk::call && (t.text == "len" || t.text == "is_empty")) return no_term;
  for (const auto a : t.args)
    if (const auto found = bytes_in(v, a, depth + 1); found != no_term) return found;
  return no_term;
}

// vault.value = u64::from_le_bytes(data[..8]): stored without a type and without an owner.
void loose_bytes(const check& self, const view& v, std::set<term_id>& reported) {
  for (const auto& e : v.in.events) {
    if (e.kind != ek::write || e.b == no_term) continue;
    const auto from = bytes_in(v, e.b);
    if (from == no_term || from == e.a || v.t[from].kind == tk::param || v.owner_proof(from) != nullptr ||
        !reported.insert(from).second)
      continue;
    auto& f = v.report(self, e.where,
                       "bytes of `" + v.name(from) + "` are stored in `" + v.name(e.a) +
                           "`, but no check says which program owns the account: they may be forged",
                       from);
    f.seen.insert(f.seen.begin(), {v.slot_span(from), "the account"});
  }
}

void run_a03(const check& self, const view& v) {
  std::set<term_id> reported;
  for (const auto& e : v.in.events) {
    if (e.kind != ek::parse || e.by == proof::type || !v.raw(e.a)) continue;
    if (v.owner_proof(e.a) != nullptr || (!matters(v, e.a) && !has_effect(v)) || !reported.insert(e.a).second)
      continue;
    auto& f = v.report(self, e.where,
                       "the bytes of `" + v.name(e.a) + "` are read as `" + std::string(e.text) +
                           "`, but no check says which program owns the account: its content may be forged",
                       e.a);
    if (v.t[e.a].kind == tk::param) f.sure = confidence::heuristic;
    f.seen.insert(f.seen.begin(), {v.slot_span(e.a), "the account"});
  }
  loose_bytes(self, v, reported);
}

}  // namespace

extern const check a03_missing_owner_check;
const check a03_missing_owner_check{
    .id = "OSVM-A03",
    .name = "missing-owner",
    .title = "Account data is trusted without an owner check",
    .cwe = 345,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale =
        "Anyone can create an account with any bytes. Only the owner field, which the runtime sets, says "
        "which program "
        "wrote them.",
    .fix =
        "Use `Account<'info, T>`, add `owner = program_id`, or return an error unless `account.owner == "
        "&expected`.",
    .instruction = run_a03,
    .program = [](const check& self,
                  const program_view& v) { report_outliers(self, v, outlier_kind::owner); },
};

}  // namespace osvm::audit
