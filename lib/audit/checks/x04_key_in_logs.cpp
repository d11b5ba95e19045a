#include <algorithm>

#include "audit/engine/walk.hpp"
#include "check.hpp"

namespace osvm::audit {
namespace {

bool prints(std::string_view name) {
  for (const std::string_view macro :
       {"println", "eprintln", "print", "eprint", "info", "debug", "warn", "error", "trace", "dbg", "log"})
    if (name == macro) return true;
  return false;
}

// keypair.to_bytes(), secret_key, wallet.secret().
bool is_secret(const node& n) {
  const auto named = [](std::string_view name) {
    return name.find("keypair") != std::string_view::npos || name.find("secret") != std::string_view::npos ||
           name.find("private_key") != std::string_view::npos ||
           name.find("mnemonic") != std::string_view::npos;
  };
  if (n.kind == node_kind::method &&
      (n.text == "to_bytes" || n.text == "to_base58_string" || n.text == "secret")) {
    const node* self = n.kids.empty() ? nullptr : n.kids[0];
    return n.text != "to_bytes" || (self != nullptr && named(self->text));
  }
  return (n.kind == node_kind::path || n.kind == node_kind::field) &&
         (n.text.find("secret_key") != std::string_view::npos ||
          n.text.find("private_key") != std::string_view::npos ||
          n.text.find("mnemonic") != std::string_view::npos);
}

void run_x04(const check& self, const program_view& v) {
  for (const auto& f : v.p.names.functions())
    walk(f.item->body, [&](const node& n) {
      if (n.kind != node_kind::macro || !prints(n.text)) return;
      bool secret = false;
      for (const auto* k : n.kids) walk(k, [&](const node& inner) { secret = secret || is_secret(inner); });
      if (secret)
        v.report(self, {f.file->id, n.begin, n.end}, "key material is printed: whoever reads logs has it");
    });
}

}  // namespace

extern const check x04_key_in_logs_check;
const check x04_key_in_logs_check{
    .id = "OSVM-X04",
    .name = "key-in-logs",
    .title = "Key material is printed",
    .cwe = 532,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale = "Logs are kept, shipped and read by many. A secret key in them is no secret.",
    .fix = "Print the public key; never pass a keypair or its bytes to a log.",
    .offchain = run_x04,
};

}  // namespace osvm::audit
