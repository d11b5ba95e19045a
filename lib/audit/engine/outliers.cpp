// What the sibling instructions all do with a type of state, and one does not.
#include "outliers.hpp"

#include <algorithm>
#include <map>

#include "audit/model/names.hpp"

namespace osvm::audit {
namespace {

// One instruction's use of one type of state: what is known there, by the name of the habit.
struct use_of_state {
  const instruction* in = nullptr;
  term_id account = no_term;
  const event* read = nullptr;
  std::map<std::string, std::string> habits;  // habit -> stem of the account that it compares with
};

constexpr std::size_t fewest_followers = 3;

std::string field_path(const term_table& t, term_id x) {
  std::string out;
  while (t[x].kind == tk::field) {
    out = std::string(t[x].text) + (out.empty() ? "" : "." + out);
    x = t[x].args[0];
  }
  return out;
}

const event* code_read(const view& v, term_id account) {
  for (const auto& e : v.in.events)
    if (e.kind == ek::parse && e.a == account && e.by != proof::type) return &e;
  return nullptr;
}

bool related_to_signer(const view& v, term_id account) {
  return std::any_of(v.in.slots.begin(), v.in.slots.end(), [&](term_id s) {
    if (v.signer_proof(s) == nullptr) return false;
    if (s == account || v.related(account, s) || v.key_proof(s) != nullptr) return true;
    // is_admin(signer.key()): somebody in particular, whoever that is.
    return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
      return e.kind == ek::check && v.t[e.a].kind == tk::call && v.mentions(e.a, s);
    });
  });
}

void comparisons(const view& v, use_of_state& use) {
  for (const auto& e : v.in.events) {
    const auto& x = v.t[e.a];
    if (e.kind != ek::check || x.kind != tk::cmp || (x.text != "==" && x.text != "!=")) continue;
    for (int side = 0; side < 2; ++side) {
      const auto mine = x.args[static_cast<std::size_t>(side)];
      const auto other = x.args[static_cast<std::size_t>(1 - side)];
      if (v.t[mine].kind == tk::owner && v.t[mine].args[0] == use.account) use.habits.emplace("owner", "");
      if (v.t[mine].kind != tk::field || v.t[other].kind != tk::key) continue;
      if (v.p.account_below(mine) != use.account) continue;
      const auto party = v.t[other].args[0];
      if (party != use.account) use.habits.emplace(field_path(v.t, mine), stem_of(v.name(party)));
    }
  }
}

void collect(const program_view& pv, const instruction& in,
             std::map<std::string_view, std::vector<use_of_state>>& uses) {
  const view v(pv.p, in, pv.out);
  for (const auto account : in.slots) {
    use_of_state use{&in, account, code_read(v, account), {}};
    auto type = pv.p.inner_type(account);
    if (type.empty() && use.read != nullptr) type = use.read->text;
    if (!pv.p.names.has_type(type) || v.fresh(account)) continue;
    const bool fixed = v.key_proof(account) != nullptr;
    if (fixed) use.habits.emplace("fixed", "");
    comparisons(v, use);
    if (v.written(account)) use.habits.emplace("written", "");
    if (related_to_signer(v, account)) use.habits.emplace("signer", "");
    uses[type].push_back(std::move(use));
  }
}

bool sounds_like_init(std::string_view name) {
  return name.find("init") != std::string_view::npos || name.find("create") != std::string_view::npos;
}

// The instruction has the account at hand that its siblings compare with.
bool could_follow(const view& v, const use_of_state& odd, const std::string& partner) {
  return std::any_of(v.in.slots.begin(), v.in.slots.end(), [&](term_id s) {
    return s != odd.account && stem_of(v.name(s)) == partner && v.signer_proof(s) == nullptr;
  });
}

std::string described(const std::string& habit) {
  if (habit == "owner") return "checks which program owns it";
  if (habit == "signer") return "relates a signer to it";
  return "compares its `" + habit + "` with an account";
}

// Another account of the type in the same instruction is related to the signer: this one need not be.
bool spoken_for(const std::vector<use_of_state>& all, const use_of_state& odd) {
  return std::any_of(all.begin(), all.end(),
                     [&](const use_of_state& u) { return u.in == odd.in && u.habits.contains("signer"); });
}

bool of_kind(const std::string& habit, outlier_kind kind) {
  if (habit == "written" || habit == "fixed") return false;
  if (habit == "owner") return kind == outlier_kind::owner;
  return (habit == "signer") == (kind == outlier_kind::signer) && kind != outlier_kind::owner;
}

bool applies(const view& v, const std::vector<use_of_state>& all, const use_of_state& odd,
             const std::string& partner, outlier_kind kind) {
  if (sounds_like_init(odd.in->name) || v.opaque_check(odd.account) != nullptr) return false;
  switch (kind) {
    case outlier_kind::owner: return odd.read != nullptr && v.raw(odd.account);
    case outlier_kind::signer: return !spoken_for(all, odd);
    case outlier_kind::relation: return !partner.empty() && could_follow(v, odd, partner);
  }
  return false;
}

void judge(const check& self, const program_view& pv, std::string_view type,
           const std::vector<use_of_state>& all, const std::string& habit, outlier_kind kind) {
  std::vector<const use_of_state*> with, without;
  for (const auto& u : all)
    if (kind == outlier_kind::signer ? u.habits.contains("written") : !u.habits.contains("fixed"))
      (u.habits.contains(habit) ? with : without).push_back(&u);
  if (without.size() != 1 || with.size() < fewest_followers) return;
  const auto& odd = *without.front();
  const view v(pv.p, *odd.in, pv.out);
  if (!applies(v, all, odd, with.front()->habits.at(habit), kind)) return;
  const auto where = odd.read != nullptr ? odd.read->where : v.slot_span(odd.account);
  auto& f = v.report(self, where,
                     "`" + odd.in->name + "` uses `" + v.name(odd.account) + "`, a `" + std::string(type) +
                         "`, and is the only place of " + std::to_string(with.size() + 1) + " that never " +
                         described(habit),
                     odd.account);
  f.topic = habit;
  f.sure = confidence::heuristic;
  f.level = std::min(f.level, severity::medium);
}

// Accounts of one name and type whose address some check fixes or ties to another account, everywhere but
// here.
struct use_of_name {
  const instruction* in = nullptr;
  term_id account = no_term;
  bool tied = false;
};

bool tied_to_something(const view& v, term_id account) {
  return v.key_proof(account) != nullptr || v.relation(account) != nullptr ||
         v.signer_proof(account) != nullptr;
}

// Who is paid, and what the called program compares itself.
bool anybody(std::string_view name) {
  for (const std::string_view word :
       {"collector", "receiver", "recipient", "dest", "payer", "program", "sysvar", "history", "clock",
        "rent", "instructions", "stake_config", "refund", "beneficiary", "system"})
    if (name.find(word) != std::string_view::npos) return true;
  return false;
}

void by_name(const check& self, const program_view& pv) {
  std::map<std::pair<std::string, std::string_view>, std::vector<use_of_name>> uses;
  for (const auto& in : pv.p.instructions) {
    const view v(pv.p, in, pv.out);
    for (const auto account : in.slots) {
      const auto* slot = pv.p.slot_of(account);
      if (slot == nullptr || slot->field == nullptr || v.fresh(account) || !v.raw(account) ||
          anybody(v.name(account)))
        continue;
      uses[{stem_of(v.name(account)), pv.p.wrapper_of(account)}].push_back(
          {&in, account, tied_to_something(v, account)});
    }
  }
  for (const auto& [key, all] : uses) {
    const auto odd = std::find_if(all.begin(), all.end(), [](const use_of_name& u) { return !u.tied; });
    const auto loose = std::count_if(all.begin(), all.end(), [](const use_of_name& u) { return !u.tied; });
    if (loose != 1 || all.size() < fewest_followers + 1 || sounds_like_init(odd->in->name)) continue;
    const view v(pv.p, *odd->in, pv.out);
    auto& f = v.report(self, v.slot_span(odd->account),
                       "`" + odd->in->name + "` takes any `" + v.name(odd->account) + "`; the other " +
                           std::to_string(all.size() - 1) +
                           " instructions with an account of that name compare it with what they expect",
                       odd->account);
    f.sure = confidence::heuristic;
    f.level = std::min(f.level, severity::medium);
    f.topic = "name";
  }
}

}  // namespace

void report_outliers(const check& self, const program_view& pv, outlier_kind kind) {
  if (kind == outlier_kind::relation) by_name(self, pv);
  std::map<std::string_view, std::vector<use_of_state>> uses;
  for (const auto& in : pv.p.instructions) collect(pv, in, uses);
  for (const auto& [type, all] : uses) {
    std::set<std::string> habits;
    for (const auto& u : all)
      for (const auto& [habit, partner] : u.habits)
        if (of_kind(habit, kind)) habits.insert(habit);
    for (const auto& habit : habits) judge(self, pv, type, all, habit, kind);
  }
}

}  // namespace osvm::audit
