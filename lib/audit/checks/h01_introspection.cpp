#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

bool mentions_field(const view& v, term_id x, std::string_view field, std::string_view callee,
                    unsigned depth = 0) {
  const auto& t = v.t[x];
  if (t.kind == tk::field && t.text == field) {
    const auto& base = v.t[t.args[0]];
    if (base.kind == tk::call && base.text == callee) return true;
  }
  return depth < 12 && std::any_of(t.args.begin(), t.args.end(),
                                   [&](term_id a) { return mentions_field(v, a, field, callee, depth + 1); });
}

void run_h01(const check& self, const view& v) {
  for (const auto& e : v.in.events) {
    if (e.kind != ek::escape || e.text.starts_with("load_current_index")) continue;
    if (!e.text.starts_with("load_instruction_at") && !e.text.starts_with("get_instruction_relative"))
      continue;
    const bool compared = std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& c) {
      return c.kind == ek::check && mentions_field(v, c.a, "program_id", e.text);
    });
    if (compared) continue;
    v.report(
        self, e.where,
        "another instruction of the transaction is read, but nothing says which program it calls: the caller "
        "puts one there that looks like it",
        e.a);
  }
}

}  // namespace

extern const check h01_introspection_check;
const check h01_introspection_check{
    .id = "OSVM-H01",
    .name = "introspection-misuse",
    .title = "An instruction of the transaction is trusted without its program",
    .cwe = 345,
    .severity = severity::medium,
    .confidence = confidence::heuristic,
    .rationale =
        "Whoever sends the transaction writes all of its instructions. Data that looks like a signature "
        "check or a "
        "payment proves nothing unless the program id of that instruction is the one meant.",
    .fix = "Compare `instruction.program_id` with the expected program before reading its data or accounts.",
    .instruction = run_h01,
};

}  // namespace osvm::audit
