#include "audit/model/library.hpp"
#include "check.hpp"

namespace osvm::audit {
namespace {

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
