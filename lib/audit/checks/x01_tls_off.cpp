#include <algorithm>

#include "audit/engine/walk.hpp"
#include "check.hpp"

namespace osvm::audit {
namespace {

void run_x01(const check& self, const program_view& v) {
  for (const auto& f : v.p.names.functions())
    walk(f.item->body, [&](const node& n) {
      const bool accepts =
          n.kind == node_kind::method && n.kids.size() == 2 && n.kids[1]->text == "true" &&
          (n.text == "danger_accept_invalid_certs" || n.text == "danger_accept_invalid_hostnames");
      const bool none = n.kind == node_kind::path && n.text.ends_with("SslVerifyMode::NONE");
      if (accepts || none)
        v.report(self, {f.file->id, n.begin, n.end},
                 "certificates are not verified: anybody can be the server");
    });
}

}  // namespace

extern const check x01_tls_off_check;
const check x01_tls_off_check{
    .id = "OSVM-X01",
    .name = "tls-verification-off",
    .title = "A client accepts any certificate",
    .cwe = 295,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale =
        "Whoever stands between the client and its server answers for the server: prices, balances and "
        "transactions to sign are theirs.",
    .fix = "Verify certificates; trust a private authority by its certificate.",
    .offchain = run_x01,
};

}  // namespace osvm::audit
