#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

bool sounds_like_sysvar(std::string_view name) {
  static constexpr std::string_view words[] = {
      "rent",           "clock",         "instructions", "slot_hashes", "recent_blockhashes",
      "epoch_schedule", "stake_history", "slothashes",   "ix_sysvar"};
  if (name.find("sysvar") != std::string_view::npos) return true;
  return std::any_of(std::begin(words), std::end(words), [&](std::string_view w) {
    return name == w || name == std::string(w) + "_info" || name == std::string(w) + "_account" ||
           name == std::string(w) + "_account_info";
  });
}

void run_a08(const check& self, const view& v) {
  for (const auto account : v.in.slots) {
    if (!v.raw(account) || v.key_proof(account) != nullptr) continue;
    const event* read = nullptr;
    bool loader = false;
    for (const auto& e : v.in.events) {
      if (e.a != account) continue;
      const bool unchecked =
          e.kind == ek::escape && (e.text == "load_instruction_at" || e.text == "load_current_index" ||
                                   e.text == "get_instruction_relative_unchecked");
      loader = loader || unchecked;
      if (unchecked || e.kind == ek::use || e.kind == ek::parse) read = &e;
    }
    if (read == nullptr || (!loader && !sounds_like_sysvar(v.name(account)))) continue;
    v.report(
         self, loader ? read->where : v.slot_span(account),
         "`" + v.name(account) + "` is read as a sysvar, but its address is never compared with the sysvar's",
         account)
        .seen.push_back({read->where, "where it is read"});
  }
}

}  // namespace

extern const check a08_sysvar_spoofing_check;
const check a08_sysvar_spoofing_check{
    .id = "OSVM-A08",
    .name = "sysvar-spoofing",
    .title = "A sysvar is read from an account of the caller's choice",
    .cwe = 345,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale =
        "Sysvars are ordinary accounts. Without a comparison of the address, a caller passes an account of "
        "their own: "
        "forged time, rent or instructions.",
    .fix =
        "Use `Sysvar<'info, T>`, `T::get()`, `T::from_account_info`, or the `_checked` instruction loaders.",
    .instruction = run_a08,
};

}  // namespace osvm::audit
