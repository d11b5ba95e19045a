#include "check.hpp"

namespace osvm::audit {
namespace {

// The call that changed what the read sees, null when it was loaded again in between.
const event* stale_since(const view& v, std::size_t read) {
  const auto& r = v.in.events[read];
  for (std::size_t i = read; i-- > 0;) {
    const auto& e = v.in.events[i];
    if (e.kind == ek::check && v.t[e.a].kind == tk::call && v.t[e.a].text == "reload" &&
        v.t[e.a].args[0] == r.a)
      return nullptr;
    if (e.kind != ek::cpi || !v.dominates(e.path, r.path)) continue;
    for (const auto a : e.args)
      if (v.mentions(a, r.a)) return &e;
  }
  return nullptr;
}

void run_d02(const check& self, const view& v) {
  std::set<std::pair<term_id, std::string_view>> reported;
  for (std::size_t i = 0; i < v.in.events.size(); ++i) {
    const auto& r = v.in.events[i];
    if (r.kind != ek::read || (r.text != "amount" && r.text != "supply" && r.text != "delegated_amount"))
      continue;
    const auto* call = stale_since(v, i);
    if (call == nullptr || !reported.insert({r.a, r.text}).second) continue;
    v.report(self, r.where,
             "`" + v.name(r.a) + "." + std::string(r.text) +
                 "` is read after a call that changes it, and is what it was before: Anchor loaded it once",
             r.a)
        .seen.push_back({call->where, "the call"});
  }
}

}  // namespace

extern const check d02_stale_after_cpi_check;
const check d02_stale_after_cpi_check{
    .id = "OSVM-D02",
    .name = "stale-after-cpi",
    .title = "An account is read after a call without loading it again",
    .cwe = 367,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "Anchor parses accounts before the handler. A token transfer, mint or burn changes the account's "
        "bytes, not "
        "that copy, so amounts that are computed from it afterwards are wrong.",
    .fix = "Call `reload()?` on the account after the call and before reading it.",
    .instruction = run_d02,
};

}  // namespace osvm::audit
