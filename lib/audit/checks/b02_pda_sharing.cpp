#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

void leaves(const view& v, term_id x, std::vector<term_id>& out, unsigned depth = 0) {
  const auto& t = v.t[x];
  if (depth > 12) return;
  if (t.kind == tk::list || t.kind == tk::phi) {
    for (const auto a : t.args) leaves(v, a, out, depth + 1);
  } else if (t.kind == tk::field || t.kind == tk::key) {
    out.push_back(x);
  } else if (t.kind != tk::literal && t.kind != tk::constant) {
    for (const auto a : t.args) leaves(v, a, out, depth + 1);
  }
}

bool moves_tokens(std::string_view called) {
  const auto name = last_segment(called);
  return name.starts_with("transfer") || name.starts_with("mint_to") || name.starts_with("burn") ||
         name == "close_account" || name == "approve" || name == "set_authority" || name == "Transfer";
}

// Some seed is a party of this instruction: the signature stands for that party only.
bool names_a_party(const view& v, const std::vector<term_id>& seeds) {
  for (const auto s : seeds) {
    if (v.t[s].kind == tk::key) return true;
    for (const auto& e : v.in.events) {
      if (e.kind != ek::check) continue;
      const auto& x = v.t[e.a];
      if (x.kind != tk::cmp || x.text != "==" || !v.mentions(e.a, s)) continue;
      if (std::any_of(x.args.begin(), x.args.end(), [&](term_id a) { return v.t[a].kind == tk::key; }))
        return true;
    }
  }
  return false;
}

// A mint or token account that this instruction creates is nobody's yet.
bool on_fresh(const view& v, const event& call) {
  return std::any_of(v.in.slots.begin(), v.in.slots.end(), [&](term_id a) {
    return v.fresh(a) &&
           std::any_of(call.args.begin(), call.args.end(), [&](term_id x) { return v.mentions(x, a); });
  });
}

bool signer_is_related(const view& v) {
  return std::any_of(v.in.slots.begin(), v.in.slots.end(), [&](term_id a) {
    const auto* e = v.signer_proof(a);
    return e != nullptr && v.relation(a) != nullptr;
  });
}

void run_b02(const check& self, const view& v) {
  for (const auto& e : v.in.events) {
    if (e.kind != ek::cpi || e.b == no_term || !moves_tokens(e.text)) continue;
    std::vector<term_id> seeds;
    leaves(v, e.b, seeds);
    std::erase_if(seeds, [&](term_id s) {
      return v.t[s].kind == tk::field && (v.t[s].text.find("bump") != std::string_view::npos ||
                                          v.t[s].text.find("nonce") != std::string_view::npos);
    });
    const bool stored = std::any_of(seeds.begin(), seeds.end(), [&](term_id s) {
      return v.t[s].kind == tk::field && v.p.account_below(s) != no_term;
    });
    if (!stored || names_a_party(v, seeds) || signer_is_related(v) || on_fresh(v, e)) continue;
    v.report(self, e.where,
             "the program signs with seeds that no party of this instruction is tied to: whoever shares `" +
                 std::string(v.t[seeds[0]].text) + "` shares the authority over the tokens",
             no_term);
    return;
  }
}

}  // namespace

extern const check b02_pda_sharing_check;
const check b02_pda_sharing_check{
    .id = "OSVM-B02",
    .name = "pda-sharing",
    .title = "One program address signs for many principals",
    .cwe = 269,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale =
        "A program address that is derived from something that several users share (a mint, a constant) "
        "signs for all of "
        "them. Unless another check ties the caller to the funds, one user moves another's.",
    .fix =
        "Derive the signing address from the principal (the withdraw destination, the state account's key, "
        "the owner), or relate "
        "the signer to the state.",
    .instruction = run_b02,
};

}  // namespace osvm::audit
