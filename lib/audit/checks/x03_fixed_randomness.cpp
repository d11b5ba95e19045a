#include <algorithm>

#include "audit/engine/walk.hpp"
#include "check.hpp"

namespace osvm::audit {
namespace {

bool constant_seed(const node& n) {
  if (n.kind != node_kind::call || n.kids.size() != 2 || n.kids[0]->kind != node_kind::path) return false;
  const auto path = n.kids[0]->text;
  const bool seeds = path.ends_with("::seed_from_u64") || path.ends_with("::from_seed") ||
                     path.ends_with("keypair_from_seed");
  const node* seed = n.kids[1];
  while (seed->kind == node_kind::reference && !seed->kids.empty()) seed = seed->kids[0];
  const bool repeated = seed->kind == node_kind::array && !seed->kids.empty() &&
                        std::all_of(seed->kids.begin(), seed->kids.end(),
                                    [](const node* k) { return k->kind == node_kind::literal; });
  return seeds && (seed->kind == node_kind::literal || repeated);
}

void run_x03(const check& self, const program_view& v) {
  for (const auto& f : v.p.names.functions()) {
    if (f.item->in_test) continue;
    bool keys = false;
    walk(f.item->body, [&](const node& n) {
      keys = keys || (n.kind == node_kind::path && (n.text.find("Keypair") != std::string_view::npos ||
                                                    n.text.find("SigningKey") != std::string_view::npos ||
                                                    n.text.ends_with("keypair_from_seed")));
    });
    if (!keys) continue;
    walk(f.item->body, [&](const node& n) {
      if (constant_seed(n))
        v.report(self, {f.file->id, n.begin, n.end},
                 "this key's randomness is a constant: anybody can make the key");
    });
  }
}

}  // namespace

extern const check x03_fixed_randomness_check;
const check x03_fixed_randomness_check{
    .id = "OSVM-X03",
    .name = "predictable-key",
    .title = "A key is made from predictable randomness",
    .cwe = 338,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale = "A key that comes from a constant seed or nonce is everybody's key.",
    .fix = "Use the operating system's randomness (`Keypair::new()`, `OsRng`).",
    .offchain = run_x03,
};

}  // namespace osvm::audit
