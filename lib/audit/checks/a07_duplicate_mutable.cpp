#include "check.hpp"

namespace osvm::audit {
namespace {

std::string_view state_type(const view& v, term_id account) {
  const auto inner = v.p.inner_type(account);
  if (!inner.empty()) return v.p.names.has_type(inner) ? inner : std::string_view{};
  for (const auto& e : v.in.events)
    if (e.kind == ek::parse && e.a == account && v.p.names.has_type(e.text)) return e.text;
  return {};
}

void run_a07(const check& self, const view& v) {
  if (v.p.source.anchor >= 1'000'000) return;  // Anchor 1.0 refuses duplicates of types that it writes back
  for (std::size_t i = 0; i < v.in.slots.size(); ++i) {
    for (std::size_t j = i + 1; j < v.in.slots.size(); ++j) {
      const auto a = v.in.slots[i], b = v.in.slots[j];
      const auto type = state_type(v, a);
      if (type.empty() || type != state_type(v, b)) continue;
      if (!v.written(a) || !v.written(b) || v.related(a, b)) continue;
      if (v.p.wrapper_of(a) == "AccountLoader") continue;  // no copies: the second borrow is refused
      if (v.key_proof(a) != nullptr || v.key_proof(b) != nullptr) continue;
      const auto fresh = [&](term_id x) {
        const auto* s = v.p.slot_of(x);
        return v.any(ek::init, x) || (s != nullptr && s->is_zero);
      };
      if (fresh(a) || fresh(b)) continue;
      auto& f = v.report(self, v.slot_span(a),
                         "`" + v.name(a) + "` and `" + v.name(b) + "` are both written as `" +
                             std::string(type) + "` and may be the same account: the later write wins",
                         a);
      f.seen.push_back({v.slot_span(b), "the other account"});
    }
  }
}

}  // namespace

extern const check a07_duplicate_mutable_check;
const check a07_duplicate_mutable_check{
    .id = "OSVM-A07",
    .name = "duplicate-mutable-accounts",
    .title = "Two writable accounts of one type may be the same",
    .cwe = 694,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "A caller may pass one account twice. Each copy is changed on its own and written back, so one "
        "change is lost: "
        "balances can be doubled.",
    .fix =
        "Add `constraint = a.key() != b.key()`, derive both from different seeds, or compare the keys first.",
    .instruction = run_a07,
};

}  // namespace osvm::audit
