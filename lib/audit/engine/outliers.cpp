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
    return v.signer_proof(s) != nullptr && (s == account || v.related(account, s));
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
    if (!pv.p.names.has_type(type) || v.fresh(account) || v.key_proof(account) != nullptr) continue;
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
  return std::any_of(all.begin(), all.end(), [&](const use_of_state& u) {
    return u.in == odd.in && u.habits.contains("signer");
  });
}

bool of_kind(const std::string& habit, outlier_kind kind) {
  if (habit == "written") return false;
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
    if (kind != outlier_kind::signer || u.habits.contains("written"))
      (u.habits.contains(habit) ? with : without).push_back(&u);
  if (without.size() != 1 || with.size() < fewest_followers) return;
  const auto& odd = *without.front();
  const view v(pv.p, *odd.in, pv.out);
  if (!applies(v, all, odd, with.front()->habits.at(habit), kind)) return;
  const auto where = odd.read != nullptr ? odd.read->where : v.slot_span(odd.account);
  auto& f = v.report(self, where,
                     "`" + odd.in->name + "` uses `" + v.name(odd.account) + "`, a `" + std::string(type) +
                         "`, and is the only place of " + std::to_string(with.size() + 1) +
                         " that never " + described(habit),
                     odd.account);
  f.topic = habit;
  f.sure = confidence::heuristic;
  f.level = std::min(f.level, severity::medium);
}

}  // namespace

void report_outliers(const check& self, const program_view& pv, outlier_kind kind) {
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
