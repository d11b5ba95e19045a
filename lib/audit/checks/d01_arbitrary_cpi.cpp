#include <algorithm>

#include "audit/model/library.hpp"
#include "check.hpp"

namespace osvm::audit {
namespace {

// An argument of the instruction, or made of one by copying.
bool by_caller(const view& v, term_id x, unsigned depth = 0) {
  const auto& t = v.t[x];
  if (t.kind == tk::param) return !v.p.is_account(x);
  if (t.kind == tk::call && t.text.starts_with("argument ")) return true;
  if (t.kind == tk::field) return depth < 8 && by_caller(v, t.args[0], depth + 1);
  return false;
}

bool compared_here(const view& v, term_id id, path_id at) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (e.kind != ek::check || !v.dominates(e.path, at) || !v.mentions(e.a, id)) return false;
    const auto& x = v.t[e.a];
    return x.kind == tk::cmp ? x.text == "==" : !e.negated;
  });
}

// The id itself is what the caller said, not the key of an account.
void id_by_caller(const check& self, const view& v) {
  for (const auto& e : v.in.events) {
    const bool wrapper = e.kind == ek::named;
    if ((e.kind != ek::cpi && !wrapper) || !by_caller(v, e.a) || compared_here(v, e.a, e.path)) continue;
    auto& f = v.report(self, e.where,
                       "calls the program whose id the caller gave as an argument; nothing compares it");
    if (!wrapper) continue;
    f.level = severity::medium;
    f.sure = confidence::heuristic;
  }
}

// The wrapper calls its own program whatever it is given, today: nothing but the dependency says so.
void named_only(const check& self, const view& v, std::set<term_id>& reported) {
  for (const auto& e : v.in.events) {
    if (e.kind != ek::named || !v.p.is_account(e.a) || v.t[e.a].kind == tk::phi || !v.raw(e.a)) continue;
    if (v.key_proof(e.a) != nullptr || !reported.insert(e.a).second) continue;
    auto& f =
        v.report(self, e.where,
                 "names `" + v.name(e.a) + "` as the program of a call, and nothing compares its address: `" +
                     std::string(e.text) + "` calls the right one all the same, other calls do not",
                 e.a);
    f.level = severity::medium;
    f.sure = confidence::heuristic;
    f.seen.insert(f.seen.begin(), {v.slot_span(e.a), "the program account"});
  }
}

void run_d01(const check& self, const view& v) {
  std::set<term_id> reported;  // one report for each program account
  for (const auto& e : v.in.events) {
    if (e.kind != ek::cpi) continue;
    const auto& x = v.t[e.a];
    const auto account = x.kind == tk::key ? x.args[0] : e.a;
    if (account == no_term || !v.p.is_account(account) || v.t[account].kind == tk::phi || !v.raw(account))
      continue;
    if (v.key_proof(account) != nullptr) continue;
    if (!reported.insert(account).second) continue;
    const auto* row = find_builder(e.text);
    auto& f = v.report(
        self, e.where,
        "calls the program that the caller passed as `" + v.name(account) + "`; nothing compares its address",
        account);
    if ((row != nullptr && row->program.empty()) || e.text.find("spl_token") != std::string_view::npos) {
      f.level = severity::medium;
      f.message +=
          " (spl-token from 3.1.1 on refuses others when it builds the instruction; this rests on the "
          "dependency)";
    }
    if (v.t[account].kind == tk::param) f.sure = confidence::heuristic;
    f.seen.insert(f.seen.begin(), {v.slot_span(account), "the program account"});
  }
  named_only(self, v, reported);
  id_by_caller(self, v);
}

}  // namespace

extern const check d01_arbitrary_cpi_check;
const check d01_arbitrary_cpi_check{
    .id = "OSVM-D01",
    .name = "arbitrary-cpi",
    .title = "The program that is called is chosen by the caller",
    .cwe = 829,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale =
        "A call hands over accounts and signatures. If the caller chooses the program, a malicious one "
        "answers success "
        "without doing anything, or uses the signatures for itself.",
    .fix =
        "Use `Program<'info, T>` or `address = ...`, or compare the program's key with the expected id "
        "before the call.",
    .instruction = run_d01,
};

}  // namespace osvm::audit
