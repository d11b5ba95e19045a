#include <algorithm>

#include "audit/engine/walk.hpp"
#include "check.hpp"

namespace osvm::audit {
namespace {

bool sends(const node& n) {
  return n.kind == node_kind::method &&
         (n.text.starts_with("send_transaction") || n.text.starts_with("send_and_confirm_transaction") ||
          n.text == "confirm_transaction" || n.text == "send_batch");
}

// Through what keeps the error: .await, borrowing, naming it.
const node* sender_in(const node* n) {
  for (int i = 0; n != nullptr && i < 8; ++i) {
    if (sends(*n)) return n;
    const bool through = (n->kind == node_kind::field && n->text == "await") ||
                         (n->kind == node_kind::method && (n->text == "ok" || n->text == "map_err"));
    n = through && !n->kids.empty() ? n->kids[0] : nullptr;
  }
  return nullptr;
}

void run_x02(const check& self, const program_view& v) {
  for (const auto& f : v.p.names.functions())
    walk(f.item->body, [&](const node& n) {
      if (n.kind != node_kind::block) return;
      for (std::size_t i = 0; i < n.kids.size(); ++i) {
        const node* s = n.kids[i];
        if (n.flag && i + 1 == n.kids.size()) continue;  // the block's value
        const bool unnamed = s->kind == node_kind::let_ && !s->kids.empty() && !s->pats.empty() &&
                             (s->pats[0].kind == pattern_kind::wild || s->pats[0].text.starts_with('_'));
        const node* call = sender_in(unnamed ? s->kids[0] : s);
        if (call != nullptr)
          v.report(self, {f.file->id, call->begin, call->end},
                   "nothing looks at whether the transaction was sent: a failure is taken for success");
      }
    });
}

}  // namespace

extern const check x02_dropped_result_check;
const check x02_dropped_result_check{
    .id = "OSVM-X02",
    .name = "dropped-transaction-result",
    .title = "The result of sending a transaction is dropped",
    .cwe = 252,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "A transaction that was not sent, or failed, is taken for done: a keeper goes on as if its order "
        "stood.",
    .fix = "Handle the error, or return it with `?`.",
    .offchain = run_x02,
};

}  // namespace osvm::audit
