#include <algorithm>
#include <map>

#include "check.hpp"

namespace osvm::audit {
namespace {

struct use_of_state {
  const instruction* in;
  term_id account;
  bool related;
};

bool related_to_signer(const view& v, term_id account) {
  return std::any_of(v.in.slots.begin(), v.in.slots.end(), [&](term_id s) {
    return s != account && v.signer_proof(s) != nullptr && v.related(account, s);
  });
}

void run(const check& self, const program_view& pv) {
  std::map<std::string_view, std::vector<use_of_state>> uses;
  for (const auto& in : pv.p.instructions) {
    const view v(pv.p, in, pv.out);
    for (const auto a : in.slots) {
      const auto type = pv.p.inner_type(a);
      const auto* slot = pv.p.slot_of(a);
      if (slot == nullptr || slot->is_init || slot->is_init_if_needed || slot->is_zero) continue;
      if (!pv.p.names.has_type(type) || !v.written(a)) continue;
      uses[type].push_back({&in, a, related_to_signer(v, a)});
    }
  }
  for (const auto& [type, all] : uses) {
    const auto without =
        std::count_if(all.begin(), all.end(), [](const use_of_state& u) { return !u.related; });
    if (without != 1 || all.size() < 4) continue;
    const auto odd = std::find_if(all.begin(), all.end(), [](const use_of_state& u) { return !u.related; });
    const view v(pv.p, *odd->in, pv.out);
    v.report(self, v.slot_span(odd->account),
             "`" + odd->in->name + "` writes `" + v.name(odd->account) +
                 "` without relating a signer to it; the other " + std::to_string(all.size() - 1) +
                 " instructions that write a `" + std::string(type) + "` do",
             odd->account);
  }
}

}  // namespace

extern const check a16_outlier_check;
const check a16_outlier_check{
    .id = "OSVM-A16",
    .name = "outlier",
    .title = "One instruction lacks the check that its siblings have",
    .cwe = 863,
    .severity = severity::medium,
    .confidence = confidence::heuristic,
    .rationale =
        "When every instruction but one relates a signer to a type of state before writing it, the one was "
        "probably "
        "forgotten.",
    .fix = "Add the constraint that the other instructions have, or say why everybody may call this one.",
    .program = run,
};

}  // namespace osvm::audit
