#include "audit/engine/walk.hpp"
#include "check.hpp"

namespace osvm::audit {
namespace {

// collateral_to_liquidity, shares_to_amount, convert_to_assets: what one gets for the other.
bool converts(std::string_view name) {
  for (const std::string_view unit : {"collateral", "liquidity", "share", "asset", "amount", "token",
                                      "underlying", "deposit", "stake", "pool", "lp", "value"}) {
    if (name.find("_to_" + std::string(unit)) != std::string_view::npos ||
        name.find(std::string(unit) + "s_for") != std::string_view::npos ||
        name.find(std::string(unit) + "_for") != std::string_view::npos)
      return true;
  }
  return false;
}

bool whole_number(const type_ref& t) {
  const auto* s = program::strip(&t);
  return s != nullptr && (s->name == "u64" || s->name == "u128");
}

void run_e05(const check& self, const program_view& v) {
  for (const auto& f : v.p.names.functions()) {
    if (f.item->body == nullptr || !converts(f.item->name) || !whole_number(f.item->ret)) continue;
    walk(f.item->body, [&](const node& n) {
      if (n.kind != node_kind::method) return;
      if (n.text != "try_round_u64" && n.text != "round" && n.text != "round_u64" && n.text != "to_nearest")
        return;
      v.report(self, {f.file->id, n.begin, n.end},
               "`" + std::string(f.item->name) +
                   "` rounds to the nearest: by exchanging small amounts to and fro a caller gains what is "
                   "rounded up");
    });
  }
}

}  // namespace

extern const check e05_rounding_check;
const check e05_rounding_check{
    .id = "OSVM-E05",
    .name = "rounding-direction",
    .title = "An exchange rounds in the caller's favour",
    .cwe = 682,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "When shares are exchanged for what they stand for, every rounding must favour the pool. Rounding to "
        "the "
        "nearest gives callers up to half a unit each time, which a loop of small exchanges turns into the "
        "pool.",
    .fix = "Round down what the caller receives and up what the caller pays.",
    .program = run_e05,
};

}  // namespace osvm::audit
