// A check that only some ways to the effect pass.
#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

// What a check proves, and about which account; `account` is no_term for other checks.
struct proven {
  enum class what { signature, owner, authority } kind{};
  term_id account = no_term;
};

proven proven_by(const view& v, const event& e) {
  const auto& x = v.t[e.a];
  if (x.kind == tk::signer_flag && !e.negated) return {proven::what::signature, x.args[0]};
  if (x.kind != tk::cmp || x.text != "==" || x.args.size() != 2) return {};
  for (int side = 0; side < 2; ++side) {
    const auto& mine = v.t[x.args[static_cast<std::size_t>(side)]];
    const auto& other = v.t[x.args[static_cast<std::size_t>(1 - side)]];
    if (mine.kind == tk::owner) return {proven::what::owner, mine.args[0]};
    if (mine.kind == tk::key && other.kind == tk::field && sounds_like_authority(other.text))
      return {proven::what::authority, mine.args[0]};
  }
  return {};
}

// The condition that a branch stands under: the first check on it, made by the `if` itself.
const event* condition_of(const view& v, path_id branch) {
  for (const auto& e : v.in.events)
    if (e.path == branch) return e.kind == ek::check && e.by == proof::code ? &e : nullptr;
  return nullptr;
}

// Does what decides about the branch look at who is there? Then the other branch has its own way to tell.
bool about_identity(const view& v, term_id x, unsigned depth = 0) {
  const auto& t = v.t[x];
  switch (t.kind) {
    case tk::key:
    case tk::owner:
    case tk::signer_flag:
    case tk::data:
    case tk::slot: return true;
    case tk::call:
      if (t.text == "let" || t.text == "is_some" || t.text == "is_none" || t.text == "is_empty") return true;
      break;
    default: break;
  }
  if (depth > 12) return true;
  if (t.kind == tk::parsed) return false;
  return std::any_of(t.args.begin(), t.args.end(),
                     [&](term_id a) { return about_identity(v, a, depth + 1); });
}

// The other way around the condition has a check of its own, or never gets to the effect.
bool other_way_checks(const view& v, path_id branch, const event& condition) {
  const auto parent = v.in.branches[branch].parent;
  for (path_id other = 1; other < v.in.branches.size(); ++other) {
    if (other == branch || v.in.branches[other].parent != parent) continue;
    const auto* c = condition_of(v, other);
    if (c == nullptr) continue;
    const auto& a = v.t[c->a];
    const auto& b = v.t[condition.a];
    const bool together = c->where == condition.where || (a.kind == tk::cmp && b.kind == tk::cmp &&
                                                          !a.args.empty() && a.args[0] == b.args[0]);
    if (!together) continue;
    for (const auto& e : v.in.events)
      if (&e != c && e.kind == ek::check && v.dominates(other, e.path)) return true;
  }
  return false;
}

// The outermost branch between the two that not everything behind it has gone through; 0 if it is no `if`.
path_id avoidable(const view& v, path_id outer, path_id inner) {
  path_id found = 0;
  for (; inner != outer && inner != 0; inner = v.in.branches[inner].parent)
    if (v.in.branches[inner].by != way::only) found = inner;
  return found != 0 && v.in.branches[found].by == way::chosen ? found : 0;
}

bool needs(const view& v, const event& effect, const proven& p) {
  if (p.kind == proven::what::owner)
    return effect.kind == ek::parse && effect.by == proof::code && effect.a == p.account && v.raw(p.account);
  if (effect.a == p.account) return false;
  return effect.kind == ek::close || (effect.kind == ek::write && v.p.is_account(effect.a)) ||
         (effect.kind == ek::lamports && effect.text != "+=") ||
         (effect.kind == ek::cpi && effect.b != no_term);
}

// The same, or for signatures and authorities anything that tells who acts, on every way to the effect.
bool proven_anyway(const view& v, const event& effect, const proven& p) {
  if (p.kind == proven::what::owner && (v.written(p.account) || v.key_proof(p.account) != nullptr))
    return true;
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (e.kind != ek::check || !v.dominates(e.path, effect.path)) return false;
    if (v.t[e.a].kind == tk::call && e.by == proof::opaque) return true;
    const auto other = proven_by(v, e);
    if (other.account == no_term) return false;
    if (p.kind == proven::what::owner) return other.kind == p.kind && other.account == p.account;
    return other.kind != proven::what::owner && other.kind == p.kind;
  });
}

void run_a15(const check& self, const view& v) {
  std::set<std::pair<term_id, int>> reported;
  for (const auto& c : v.in.events) {
    if (c.kind != ek::check || c.by != proof::code || c.weak || c.path == 0) continue;
    const auto p = proven_by(v, c);
    if (p.account == no_term || !v.p.is_account(p.account)) continue;
    for (const auto& effect : v.in.events) {
      if (!needs(v, effect, p) || v.fresh(effect.a)) continue;
      if (effect.path == c.path || !v.dominates(effect.path, c.path)) continue;
      const auto branch = avoidable(v, effect.path, c.path);
      const auto* condition = branch != 0 ? condition_of(v, branch) : nullptr;
      if (condition == nullptr || condition == &c || about_identity(v, condition->a)) continue;
      if (proven_anyway(v, effect, p) || other_way_checks(v, branch, *condition)) continue;
      if (!reported.insert({p.account, static_cast<int>(p.kind)}).second) break;
      auto& f = v.report(self, c.where,
                         "`" + v.name(p.account) +
                             "` is checked on one branch only; the effect happens on the "
                             "other one too",
                         p.account);
      f.seen.insert(f.seen.begin(), {effect.where, "the effect that the check does not always precede"});
      f.seen.insert(f.seen.begin(), {condition->where, "the condition that decides"});
      break;
    }
  }
}

}  // namespace

extern const check a15_not_dominating_check;
const check a15_not_dominating_check{
    .id = "OSVM-A15",
    .name = "check-not-dominating",
    .title = "A check stands on some ways to the effect only",
    .cwe = 696,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale =
        "A check inside an `if` protects what is inside it. When the effect follows behind, whoever makes "
        "the "
        "condition false gets there without the check.",
    .fix = "Make the check before the condition, or repeat it on every branch that leads to the effect.",
    .instruction = run_a15,
};

}  // namespace osvm::audit
