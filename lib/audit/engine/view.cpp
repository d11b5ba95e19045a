#include <algorithm>

#include "audit/checks/check.hpp"
#include "audit/model/interpret.hpp"

namespace osvm::audit {

view::view(program& program_, const instruction& in_, std::vector<raw_finding>& out)
    : p(program_), in(in_), t(program_.terms), out_(out) {}

bool view::raw(term_id account) const {
  const auto w = p.wrapper_of(account);
  return w == "AccountInfo" || w == "UncheckedAccount" || w == "AccountView" ||
         w == "NoLifetimeAccountInfo" || w == "Info" || t[account].kind == tk::element ||
         (w.empty() && p.is_account(account));
}

bool view::typed(term_id account) const {
  return !raw(account) && !p.inner_type(account).empty();
}

namespace {

bool is_equality(const term& x) {
  return x.kind == tk::cmp && (x.text == "==" || x.text == "!=");
}

}  // namespace

const event* view::signer_proof(term_id account) const {
  for (const auto& e : in.events) {
    if (e.kind != ek::check || e.negated) continue;
    const auto& x = t[e.a];
    if (x.kind == tk::signer_flag && (x.args[0] == account || t.mentions(x.args[0], account))) return &e;
    if (x.kind == tk::call && t.mentions(e.a, account) && x.text.find("sign") != std::string_view::npos)
      return &e;
  }
  return nullptr;
}

const event* view::opaque_check(term_id account) const {
  for (const auto& e : in.events)
    if (e.kind == ek::check && e.by == proof::opaque && t.mentions(e.a, account)) {
      // Helpers that look at other things than the address or the owner.
      const auto name = last_segment(t[e.a].text);
      const bool other =
          name.find("rent") != std::string_view::npos || name.find("init") != std::string_view::npos ||
          name.find("signer") != std::string_view::npos || name.find("writable") != std::string_view::npos;
      if (!other) return &e;
    }
  return nullptr;
}

// [A, B].contains(&account.key()): one of several addresses that are known beforehand.
bool view::listed(const term& x, term_id account) const {
  if (x.kind != tk::call || x.text != "contains" || x.args.size() != 2) return false;
  const auto& k = t[x.args[1]];
  const auto& list = t[x.args[0]];
  return k.kind == tk::key && k.args[0] == account && (list.kind == tk::list || list.kind == tk::constant);
}

const event* view::key_proof(term_id account) const {
  for (const auto& e : in.events) {
    if (e.kind != ek::check) continue;
    const auto& x = t[e.a];
    if (!e.negated && listed(x, account)) return &e;
    if (!is_equality(x)) continue;
    for (int side = 0; side < 2; ++side) {
      const auto& k = t[x.args[static_cast<std::size_t>(side)]];
      if (k.kind != tk::key || k.args[0] != account) continue;
      const auto other = x.args[static_cast<std::size_t>(1 - side)];
      const auto kind = t[other].kind;
      if (x.text == "!=" && kind != tk::pda && kind != tk::created_pda) continue;
      if (kind == tk::literal) continue;
      return &e;
    }
  }
  return opaque_check(account);
}

const event* view::owner_proof(term_id account) const {
  for (const auto& e : in.events) {
    if (e.kind != ek::check) continue;
    const auto& x = t[e.a];
    if (x.kind == tk::cmp)
      for (const auto side : x.args)
        if (t[side].kind == tk::owner && t[side].args[0] == account) return &e;
    if (x.kind == tk::call && t.mentions(e.a, account) && e.by == proof::code) {
      for (const auto a : x.args)
        if (t[a].kind == tk::owner && t[a].args[0] == account) return &e;
    }
  }
  if (const auto* e = key_proof(account)) return e;
  // Only its owner may write an account: the runtime refuses the transaction otherwise.
  for (const auto& e : in.events) {
    if ((e.kind == ek::write && e.text == "*" && e.a == account) || (e.kind == ek::init && e.a == account) ||
        (e.kind == ek::lamports && e.a == account && e.text != "+=") ||
        ((e.kind == ek::resize || e.kind == ek::assign) && e.a == account))
      return &e;
  }
  return nullptr;
}

const event* view::relation(term_id account) const {
  for (const auto& e : in.events) {
    if (e.kind != ek::check || !t.mentions(e.a, account)) continue;
    const auto& x = t[e.a];
    if (x.kind == tk::cmp || x.kind == tk::call)
      if (std::any_of(in.slots.begin(), in.slots.end(),
                      [&](term_id s) { return s != account && t.mentions(e.a, s); }))
        return &e;
  }
  return nullptr;
}

bool view::related(term_id a, term_id b) const {
  return std::any_of(in.events.begin(), in.events.end(), [&](const event& e) {
    return e.kind == ek::check && t.mentions(e.a, a) && t.mentions(e.a, b);
  });
}

bool view::dominates(path_id outer, path_id inner) const {
  while (inner != outer) {
    if (inner == 0 || inner >= in.branches.size()) return false;
    inner = in.branches[inner].parent;
  }
  return true;
}

bool view::any(ek kind, term_id account) const {
  return std::any_of(in.events.begin(), in.events.end(),
                     [&](const event& e) { return e.kind == kind && e.a == account; });
}

bool view::fresh(term_id account) const {
  const auto* slot = p.slot_of(account);
  if (slot != nullptr && (slot->is_init || slot->is_init_if_needed || slot->is_zero)) return true;
  if (any(ek::init, account)) return true;
  // if state.is_initialized() { return Err }: it was empty before.
  return std::any_of(in.events.begin(), in.events.end(), [&](const event& e) {
    if (e.kind != ek::check || e.path != 0 || t[e.a].kind != tk::call || !t.mentions(e.a, account))
      return false;
    const auto name = last_segment(t[e.a].text);
    return e.negated ? name == "is_initialized" : name.find("uninitialized") != std::string_view::npos;
  });
}

bool view::written(term_id account) const {
  return std::any_of(in.events.begin(), in.events.end(), [&](const event& e) {
    return (e.kind == ek::write || e.kind == ek::lamports || e.kind == ek::close) && e.a == account;
  });
}

bool view::pda_signer(term_id account) const {
  for (const auto& e : in.events) {
    if (e.kind != ek::cpi || e.b == no_term) continue;
    for (const auto a : e.args)
      if (t.mentions(a, account)) return true;
  }
  return false;
}

bool view::passed_to_cpi(term_id account) const {
  for (const auto& e : in.events) {
    if (e.kind != ek::cpi) continue;
    if (t.mentions(e.a, account)) return true;
    for (const auto a : e.args)
      if (t.mentions(a, account)) return true;
  }
  return false;
}

std::vector<std::pair<span, std::string>> view::checks_seen(term_id account) const {
  std::vector<std::pair<span, std::string>> out;
  for (const auto& e : in.events) {
    if (e.kind != ek::check || !t.mentions(e.a, account)) continue;
    const bool known = std::any_of(out.begin(), out.end(), [&](const auto& s) { return s.first == e.where; });
    if (!known && out.size() < 5) out.emplace_back(e.where, "a check that was seen");
  }
  return out;
}

span view::slot_span(term_id account) const {
  if (const auto* s = p.slot_of(account)) return s->where;
  const auto& f = p.names.functions()[static_cast<std::size_t>(in.function)];
  return {f.file->id, f.item->begin, f.item->end};
}

raw_finding& view::report(const check& by, const span& where, std::string message, term_id account) const {
  raw_finding f;
  f.by = &by;
  f.where = where;
  f.function = in.function;
  f.account = account;
  f.message = std::move(message);
  f.level = by.severity;
  f.sure = in.loose && by.confidence == confidence::strong ? confidence::strong : by.confidence;
  if (account != no_term) f.seen = checks_seen(account);
  out_.push_back(std::move(f));
  return out_.back();
}

raw_finding& program_view::report(const check& by, const span& where, std::string message) const {
  raw_finding f;
  f.by = &by;
  f.where = where;
  f.message = std::move(message);
  f.level = by.severity;
  f.sure = by.confidence;
  out.push_back(std::move(f));
  return out.back();
}

raw_finding& program_view::report_manifest(const check& by, std::uint32_t line, std::string message,
                                           const std::string& file) const {
  auto& f = report(by, {}, std::move(message));
  f.file = file;
  f.line = line;
  return f;
}

bool sounds_like_authority(std::string_view name) {
  static constexpr std::string_view words[] = {
      "authority",  "admin", "owner", "signer", "manager", "governor", "operator",   "creator",
      "governance", "maker", "user",  "payer",  "keeper",  "guardian", "controller", "initializer"};
  // The next holder of a role, and PDAs that stand for a program, need not sign.
  for (const std::string_view other :
       {"new_", "next_", "pending", "_pda", "pda_", "vault_authority", "pool_authority", "program_",
        "mint_authority", "market_authority", "recipient", "token_account", "_ata", "owner_token",
        "user_token", "_account_owner"})
    if (name.find(other) != std::string_view::npos) return false;
  return std::any_of(std::begin(words), std::end(words), [&](std::string_view w) {
    return name == w || name.ends_with("_" + std::string(w)) || name.starts_with(std::string(w) + "_info") ||
           name.ends_with("_" + std::string(w) + "_info") || name.starts_with(std::string(w) + "_acc") ||
           name.ends_with("_" + std::string(w) + "_acc");
  });
}

bool is_pubkey(const type_ref* t) {
  t = program::strip(t);
  return t != nullptr && (t->name == "Pubkey" || t->name == "Address");
}

}  // namespace osvm::audit
