// Two accounts, each valid by itself, that belong together by a stored key which nothing compares.
#include <algorithm>

#include "audit/engine/outliers.hpp"
#include "audit/model/library.hpp"
#include "audit/model/names.hpp"

namespace osvm::audit {
namespace {

struct state {
  term_id account = no_term;
  std::string_view type;
  const event* read = nullptr;  // where the bytes were read, null for typed accounts
};

state state_of(const view& v, term_id account) {
  state s{account, v.p.inner_type(account), nullptr};
  for (const auto& e : v.in.events)
    if (e.kind == ek::parse && e.a == account && e.by != proof::type) {
      s.read = &e;
      if (s.type.empty()) s.type = e.text;
    }
  if (!s.type.empty() && !v.p.names.has_type(s.type)) s.type = {};
  return s;
}

bool stores(const view& v, term_id account, std::string_view field, term_id party) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (e.kind != ek::write || e.a != account) return false;
    return e.text == field || (party != no_term && v.mentions(e.b, party));
  });
}

// A comparison with the one on one side and the other on the other side, or a helper that gets both.
bool tied(const view& v, term_id a, term_id b) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (e.kind != ek::check) return false;
    const auto& x = v.t[e.a];
    if (x.kind != tk::cmp) return v.mentions(e.a, a) && v.mentions(e.a, b);
    if (x.text != "==" && x.text != "!=") return false;
    return (v.mentions(x.args[0], a) && v.mentions(x.args[1], b)) ||
           (v.mentions(x.args[0], b) && v.mentions(x.args[1], a));
  });
}

// The stored key itself is compared with something, if not with the party.
bool compared(const view& v, term_id account, std::string_view field) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    const auto& x = v.t[e.a];
    if (e.kind != ek::check || x.kind != tk::cmp) return false;
    return std::any_of(x.args.begin(), x.args.end(), [&](term_id a) {
      return v.t[a].kind == tk::field && v.t[a].text == field && v.p.account_below(a) == account;
    });
  });
}

// Whoever stores the key is a state of this program: token accounts are made by anybody, with any owner.
bool trusted_source(const view& v, const event& proof, term_id account) {
  const auto& x = v.t[proof.a];
  if (x.kind != tk::cmp) return true;
  for (const auto side : x.args) {
    if (v.t[side].kind == tk::key && v.t[side].args[0] == account) continue;
    term_id base = side;
    while (v.t[base].kind == tk::field) base = v.t[base].args[0];
    if (v.t[base].kind == tk::parsed && !v.p.names.has_type(v.t[base].text)) return false;
  }
  return true;
}

// A derivation, a constant, or a key of another account that is not the party itself.
bool fixed_by_others(const view& v, term_id account, term_id party) {
  const auto* e = v.key_proof(account);
  return e != nullptr && !v.mentions(e->a, party) && trusted_source(v, *e, account);
}

bool has_relation_effect(const view& v) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [](const event& e) {
    return e.kind == ek::write || e.kind == ek::lamports || e.kind == ek::cpi || e.kind == ek::close;
  });
}

// Its content decides something, or it is changed.
bool relation_matters(const view& v, term_id account) {
  if (v.written(account)) return true;
  const auto parsed = [&](auto&& self, term_id x, unsigned depth) -> bool {
    const auto& t = v.t[x];
    if (t.kind == tk::parsed) return !t.args.empty() && t.args[0] == account;
    return depth < 16 &&
           std::any_of(t.args.begin(), t.args.end(), [&](term_id a) { return self(self, a, depth + 1); });
  };
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (e.kind == ek::parse || e.kind == ek::use || e.kind == ek::read) return false;
    return parsed(parsed, e.a, 0) || parsed(parsed, e.b, 0) ||
           std::any_of(e.args.begin(), e.args.end(), [&](term_id a) { return parsed(parsed, a, 0); });
  });
}

bool is_program(const view& v, term_id account) {
  const auto w = v.p.wrapper_of(account);
  return w == "Program" || w == "Interface" || w == "Sysvar" ||
         v.name(account).find("program") != std::string::npos;
}

// Any check at all that looks at the account, other than for its owner, type, signature or use.
bool looked_at(const view& v, term_id account) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (e.kind != ek::check || !v.mentions(e.a, account)) return false;
    const auto& x = v.t[e.a];
    if (x.kind == tk::signer_flag || x.kind == tk::writable_flag) return false;
    const bool of_owner = x.kind == tk::cmp && std::any_of(x.args.begin(), x.args.end(), [&](term_id a) {
                            return v.t[a].kind == tk::owner && v.t[a].args[0] == account;
                          });
    return !of_owner;
  });
}

// The account that a state's field means: the only one that is called like it.
term_id party_called(const view& v, term_id account, const std::string& wanted) {
  term_id named = no_term;
  for (const auto b : v.in.slots) {
    if (b == account || is_program(v, b) || stem_of(v.name(b)) != wanted) continue;
    if (named != no_term) return no_term;
    named = b;
  }
  return named;
}

// A key that a state stores, at any depth, and the account that it should be compared with.
struct stored_key {
  std::string_view field;  // "msol_leg"
  std::string shown;       // "pool.msol_leg"
  term_id party = no_term;
};

void judge_key(const check& self, const view& v, const state& s, const stored_key& k) {
  if (k.party == no_term || v.fresh(k.party) || v.signer_proof(k.party) != nullptr) return;
  if (stores(v, s.account, k.field, k.party) || tied(v, s.account, k.party) ||
      compared(v, s.account, k.field))
    return;
  if (fixed_by_others(v, s.account, k.party) && fixed_by_others(v, k.party, s.account)) return;
  if (v.opaque_check(s.account) != nullptr || v.opaque_check(k.party) != nullptr) return;
  auto& f =
      v.report(self, s.read != nullptr ? s.read->where : v.slot_span(s.account),
               "`" + v.name(s.account) + "` stores its `" + k.shown + "`, but nothing compares that with `" +
                   v.name(k.party) + "`: an account of another one passes",
               s.account);
  f.topic = k.shown;
  f.seen.insert(f.seen.begin(), {v.slot_span(k.party), "the account that it should belong to"});
}

// It is changed, paid, or handed to a program.
bool used_for_something(const view& v, term_id party) {
  return v.written(party) || v.passed_to_cpi(party) ||
         std::any_of(v.in.events.begin(), v.in.events.end(),
                     [&](const event& e) { return e.kind == ek::close && e.b == party; });
}

bool holder_signs(const view& v, term_id account) {
  return std::any_of(v.in.slots.begin(), v.in.slots.end(), [&](term_id signer) {
    return v.signer_proof(signer) != nullptr && tied(v, account, signer);
  });
}

// Keys inside a part of the state, where the account is called by the whole path and is used for something.
void judge_part(const check& self, const view& v, const state& s, const field_item& part) {
  const auto* type = v.p.names.find_struct(program::strip(&part.type)->name);
  if (type == nullptr || type->is_enum) return;
  for (const auto& field : type->fields) {
    if (!is_pubkey(&field.type) || field.type.name == "Option") continue;
    const auto party =
        party_called(v, s.account, stem_of(std::string(part.name) + "_" + std::string(field.name)));
    if (party == no_term || !used_for_something(v, party) || looked_at(v, party)) continue;
    judge_key(self, v, s, {field.name, std::string(part.name) + "." + std::string(field.name), party});
  }
}

void judge(const check& self, const view& v, const state& s) {
  const auto* type = v.p.names.find_struct(s.type);
  for (const auto& field : type->fields) {
    if (is_pubkey(&field.type) && field.type.name == "Option") {
      // Nobody may be meant. Where anybody may call and somebody is paid, it matters who.
      const auto party = party_called(v, s.account, stem_of(field.name));
      if (party != no_term && used_for_something(v, party) && !looked_at(v, party) &&
          !holder_signs(v, s.account))
        judge_key(self, v, s, {field.name, std::string(field.name), party});
      continue;
    }
    if (is_pubkey(&field.type))
      judge_key(self, v, s,
                {field.name, std::string(field.name), party_called(v, s.account, stem_of(field.name))});
    else
      judge_part(self, v, s, field);
  }
}

// The account of a token call by its role: argument `index` of a builder, or the field of an accounts struct.
term_id role(const view& v, const event& call, std::size_t index, std::string_view field) {
  for (const auto from : call.args) {
    const auto& x = v.t[from];
    if (x.kind == tk::call && find_builder(x.text) != nullptr && index < x.args.size()) {
      const auto& key = v.t[x.args[index]];
      return key.kind == tk::key ? key.args[0] : v.p.account_below(x.args[index]);
    }
    if (x.kind == tk::aggregate)
      for (std::size_t i = 0; i + 1 < x.args.size(); i += 2)
        if (v.t[x.args[i]].text == field) return v.p.account_below(x.args[i + 1]);
  }
  return no_term;
}

// This instruction has the token program set the account up, or a framework's types say more than we can see.
bool prepared_here(const view& v, term_id account) {
  const auto* slot = v.p.slot_of(account);
  if (slot != nullptr && slot->accounts != nullptr)
    for (const auto& a : slot->accounts->attrs)
      if (a.path == "derive" && a.raw.find("FromAccounts") != std::string_view::npos) return true;
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    return e.kind == ek::cpi && last_segment(e.text).starts_with("initialize_") &&
           std::any_of(e.args.begin(), e.args.end(), [&](term_id a) { return v.mentions(a, account); });
  });
}

// The program signs a transfer out of an account, or mints, and nothing says whose account or mint that is.
void vaults(const check& self, const view& v) {
  for (const auto& e : v.in.events) {
    if (e.kind != ek::cpi || e.b == no_term) continue;
    const auto name = last_segment(e.text);
    const bool transfer = name.starts_with("transfer") || name.starts_with("Transfer");
    const bool mints = name.starts_with("mint_to") || name.starts_with("MintTo");
    if (!transfer && !mints) continue;
    const auto account = transfer ? role(v, e, 1, "from") : role(v, e, 1, "mint");
    if (account == no_term || !v.p.is_account(account) || v.t[account].kind == tk::phi) continue;
    if (std::find(v.in.slots.begin(), v.in.slots.end(), account) == v.in.slots.end()) continue;
    if (v.fresh(account) || prepared_here(v, account) || looked_at(v, account) ||
        v.t[account].kind == tk::element)
      continue;
    if (v.signer_proof(account) != nullptr || e.text.find("system") != std::string_view::npos) continue;
    auto& f =
        v.report(self, e.where,
                 std::string("the program signs ") + (transfer ? "a transfer out of `" : "for minting `") +
                     v.name(account) + "`, but no check says that it is the one that the state means",
                 account);
    f.seen.insert(f.seen.begin(), {v.slot_span(account), "the account"});
    f.topic = v.name(account);
  }
}

// A mint that is checked for being allowed, beside a transfer between accounts that nothing ties to it.
void other_mint(const check& self, const view& v) {
  for (const auto mint : v.in.slots) {
    if (v.p.inner_type(mint) != "Mint" || v.p.names.has_type("Mint") || v.fresh(mint)) continue;
    const auto allowed = std::find_if(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
      return e.kind == ek::check && v.t[e.a].kind == tk::cmp && e.by == proof::constraint &&
             std::any_of(v.in.slots.begin(), v.in.slots.end(), [&](term_id s) {
               return s != mint && v.p.names.has_type(v.p.inner_type(s)) && v.mentions(e.a, s) &&
                      v.mentions(e.a, mint);
             });
    });
    if (allowed == v.in.events.end() || v.passed_to_cpi(mint)) continue;
    for (const auto& e : v.in.events) {
      if (e.kind != ek::cpi || last_segment(e.text) != "transfer") continue;
      const auto from = role(v, e, 1, "from"), to = role(v, e, 2, "to");
      if (from == no_term || to == no_term || v.p.inner_type(from) != "TokenAccount" ||
          v.p.inner_type(to) != "TokenAccount" || looked_at(v, from) || looked_at(v, to))
        continue;
      auto& f = v.report(self, e.where,
                         "`" + v.name(mint) + "` is checked, but neither `" + v.name(from) + "` nor `" +
                             v.name(to) + "` is compared with it: tokens of another mint pass",
                         from);
      f.level = severity::medium;
      f.topic = "mint";
      f.seen.insert(f.seen.begin(), {allowed->where, "what allows the mint"});
      return;
    }
  }
}

// The program asks a token account who owns it, and then does not hold the answer against anything.
void unanswered(const check& self, const view& v) {
  for (const auto& e : v.in.events) {
    if (e.kind != ek::use || e.b == no_term || v.t[e.b].kind != tk::field || v.t[e.b].text != "owner")
      continue;
    const auto& whole = v.t[v.t[e.b].args[0]];
    const bool token = whole.kind == tk::parsed && !v.p.names.has_type(whole.text) && whole.args[0] == e.a;
    const bool read = std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& r) {
      return r.kind == ek::parse && r.a == e.a && r.by == proof::code;
    });
    if (!token || !read || looked_at(v, e.a) || compared(v, e.a, "owner") || v.passed_to_cpi(e.a)) continue;
    auto& f = v.report(self, e.where,
                       "`" + v.name(e.a) +
                           "` is read to see whose it is, and nothing compares that: any token "
                           "account passes",
                       e.a);
    f.level = severity::medium;
    f.topic = "owner";
  }
}

void run_a05(const check& self, const view& v) {
  vaults(self, v);
  unanswered(self, v);
  other_mint(self, v);
  if (!has_relation_effect(v)) return;
  for (const auto account : v.in.slots) {
    const auto s = state_of(v, account);
    if (s.type.empty() || v.fresh(account) || !relation_matters(v, account)) continue;
    judge(self, v, s);
  }
}

}  // namespace

extern const check a05_relation_check;
const check a05_relation_check{
    .id = "OSVM-A05",
    .name = "account-relation-mismatch",
    .title = "Two accounts that belong together are never compared",
    .cwe = 345,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale =
        "Each account may be valid by itself: the right program owns it, the type is right. If nothing says "
        "that "
        "one belongs to the other, a caller combines a real one with one of their own, such as a reserve "
        "with "
        "another market, and is judged by its rules.",
    .fix =
        "Add `has_one = other` (Anchor), or compare the stored key with the other account's key before any "
        "effect.",
    .instruction = run_a05,
    .program = [](const check& self,
                  const program_view& v) { report_outliers(self, v, outlier_kind::relation); },
};

}  // namespace osvm::audit
