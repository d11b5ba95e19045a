#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

bool mentions_closed_tag(const view& v, term_id x, unsigned depth = 0) {
  const auto& t = v.t[x];
  if (t.kind == tk::constant && t.text.find("CLOSED") != std::string_view::npos) return true;
  return depth < 10 && std::any_of(t.args.begin(), t.args.end(),
                                   [&](term_id a) { return mentions_closed_tag(v, a, depth + 1); });
}

// Some instruction lets anybody take the lamports out of an account that bears the tag.
bool defundable(const view& v) {
  return std::any_of(v.p.instructions.begin(), v.p.instructions.end(), [&](const instruction& other) {
    return std::any_of(other.events.begin(), other.events.end(),
                       [&](const event& e) { return e.kind == ek::check && mentions_closed_tag(v, e.a); });
  });
}

bool empties(const view& v, const event& e) {
  if (e.kind != ek::lamports) return false;
  const auto& value = v.t[e.b];
  if (e.text == "=")
    return value.kind == tk::literal && (value.text == "0" || value.text == "0_u64" || value.text == "0u64");
  return e.text == "-=" && value.kind == tk::lamports && value.args[0] == e.a;
}

void run_c04(const check& self, const view& v) {
  for (const auto& e : v.in.events) {
    if (!empties(v, e)) continue;
    const auto account = e.a;
    bool tagged = false, cleared = false;
    for (const auto& w : v.in.events) {
      if (w.a != account) continue;
      if (w.kind == ek::write && w.text == "*") cleared = true;
      if (w.kind == ek::write && mentions_closed_tag(v, w.b)) tagged = true;
    }
    if (v.any(ek::assign, account) || v.any(ek::close, account) || v.any(ek::resize, account)) continue;
    // The tag was read back before: this is the instruction that removes revived lamports.
    if (std::any_of(v.in.events.begin(), v.in.events.end(),
                    [&](const event& c) { return c.kind == ek::check && mentions_closed_tag(v, c.a); }))
      continue;
    if (tagged && defundable(v)) continue;
    if (!v.p.anchor && cleared) continue;
    const char* why =
        tagged    ? "the closed tag is set, but no instruction takes lamports out again that revive it"
        : cleared ? "its data is zeroed, which other instructions take for a fresh account"
                  : "its data stays: with lamports sent in the same transaction it lives on";
    v.report(self, e.where, "`" + v.name(account) + "` is closed by emptying its lamports, but " + why,
             account);
  }
}

}  // namespace

extern const check c04_insecure_close_check;
const check c04_insecure_close_check{
    .id = "OSVM-C04",
    .name = "insecure-close",
    .title = "A closed account can be revived",
    .cwe = 672,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "An account without lamports is removed at the end of the transaction only. Lamports that are sent "
        "to it before that "
        "keep it alive, with whatever its data says.",
    .fix =
        "Use Anchor's `close = destination`; or assign the account to the system program and resize it to 0; "
        "or set a closed tag that "
        "every instruction refuses.",
    .instruction = run_c04,
};

}  // namespace osvm::audit
