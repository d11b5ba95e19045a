// Anchor's Accounts structs: what field types and #[account(...)] constraints prove before the handler runs.
#include <algorithm>

#include "interpret.hpp"

namespace osvm::audit {
namespace {

struct reader {
  program& p;
  const struct_item& s;
  interpreter& eval;
  std::vector<event>& out;
  std::uint32_t file;
  summary& seen;  // what the interpreter wrote

  event& add(ek kind, term_id a, proof by, const span& at) {
    event e;
    e.kind = kind;
    e.a = a;
    e.by = by;
    e.where = at;
    out.push_back(std::move(e));
    return out.back();
  }
  span at(const node* n) const { return {file, n->begin, n->end}; }
  term_id key_of(term_id t) const { return p.is_account(t) ? make_key(p, t) : t; }
  void equal(term_id a, term_id b, proof by, const span& where) {
    add(ek::check, make_cmp(p, "==", a, b), by, where);
  }

  void of_type(term_id account, const slot_info& slot) {
    const auto* type = slot.type;
    if (type == nullptr) return;
    auto& t = p.terms;
    const span where = slot.where;
    const auto name = type->name;
    if (name == "Signer") {
      add(ek::check, t.make(tk::signer_flag, {}, {account}), proof::type, where);
    } else if (name == "Program" || name == "Interface" || name == "Sysvar") {
      equal(make_key(p, account), t.constant("type::" + std::string(p.inner_type(account))), proof::type,
            where);
    } else if (name == "SystemAccount") {
      equal(t.make(tk::owner, {}, {account}), t.constant("system_program::ID"), proof::type, where);
    } else if (!type->args.empty() &&
               (name == "Account" || name == "AccountLoader" || name == "InterfaceAccount" ||
                name == "Loader" || name == "ProgramAccount" || name == "CpiAccount" ||
                name == "LazyAccount" || name == "ProgramState" || name == "Migration")) {
      const auto inner = p.inner_type(account);
      equal(t.make(tk::owner, {}, {account}), t.constant("type::" + std::string(inner)), proof::type, where);
      event& e = add(ek::parse, account, proof::type, where);
      e.text = t.intern(inner);
    }
  }

  // `seeds = [...]`, `bump`, `seeds::program = x` of one field are one fact.
  void derived(term_id account, const attribute& a) {
    term_id seeds = no_term, bump = no_term, owner = p.terms.constant("crate::ID");
    const node* where = nullptr;
    bool bumped = false;
    for (const auto* n : a.args) {
      if (n->kind == node_kind::path && n->text == "bump") bumped = true;
      if (n->kind != node_kind::assign) continue;
      const auto key = n->kids[0]->text;
      if (key == "seeds") {
        seeds = eval.evaluate(n->kids[1]);
        where = n;
      } else if (key == "bump") {
        bump = eval.evaluate(n->kids[1]);
        bumped = true;
      } else if (key == "seeds::program" || key == "program") {
        owner = eval.evaluate(n->kids[1]);
      }
    }
    if (where == nullptr || !bumped) return;
    equal(make_key(p, account), p.terms.make(tk::pda, {}, {owner, seeds}), proof::constraint, at(where));
    if (bump == no_term) return;
    event& e = add(ek::make_pda, account, proof::constraint, at(where));
    e.b = seeds;
    e.args = {bump};
  }

  void constraint(term_id account, slot_info& slot, const node* n) {
    const bool assignment = n->kind == node_kind::assign && n->text == "=";
    const std::string_view key = assignment ? n->kids[0]->text : n->text;
    const auto value = [&] { return assignment ? eval.evaluate(n->kids[1]) : no_term; };
    auto& t = p.terms;
    const span where = at(n);
    const auto parsed = [&] {
      const auto inner = p.inner_type(account);
      return t.make(tk::parsed, inner, {account}, 0, p.named_type(inner));
    };
    if (key == "Mut" || key == "mut") slot.is_mut = true;
    if (key == "init") slot.is_init = slot.is_mut = true;
    if (key == "init_if_needed") slot.is_init_if_needed = slot.is_mut = true;
    if (key == "zero") slot.is_zero = slot.is_mut = true;
    if (key == "seeds") slot.has_seeds = true;
    if (key == "realloc") slot.has_realloc = slot.is_mut = true;
    if (key == "realloc::zero" && assignment) slot.realloc_zeroed = n->kids[1]->text == "true";
    if (key == "signer") {
      add(ek::check, t.make(tk::signer_flag, {}, {account}), proof::constraint, where);
    } else if (key == "init" || key == "init_if_needed" || key == "zero") {
      add(ek::init, account, proof::constraint, where);
    } else if (key == "close") {
      slot.is_close = slot.is_mut = true;
      add(ek::close, account, proof::constraint, where).b = value();
    } else if (key == "has_one") {
      if (assignment)
        equal(make_field(p, parsed(), n->kids[1]->text), key_of(value()), proof::constraint, where);
    } else if (key == "address") {
      equal(make_key(p, account), value(), proof::constraint, where);
    } else if (key == "owner") {
      equal(t.make(tk::owner, {}, {account}), key_of(value()), proof::constraint, where);
    } else if (key == "executable") {
      add(ek::check, t.make(tk::executable_flag, {}, {account}), proof::constraint, where);
    } else if (key == "constraint" && assignment) {
      const auto first = seen.events.size();
      const auto condition = eval.evaluate(n->kids[1]);
      eval.assume(condition, true, proof::constraint, where);
      for (auto i = first; i < seen.events.size(); ++i)
        if (seen.events[i].kind == ek::check) out.push_back(seen.events[i]);
    } else if (assignment && key.find("::") != std::string_view::npos && key != "seeds::program" &&
               key != "realloc::payer" && key != "realloc::zero") {
      const auto field = key.substr(key.rfind("::") + 2);  // token::mint, token::authority, mint::authority
      const std::string_view name =
          field == "authority" && key.starts_with("token") ? std::string_view("owner") : field;
      if (!key.ends_with("token_program")) {
        equal(make_field(p, parsed(), name), key_of(value()), proof::constraint, where);
        if (key.starts_with("associated_token"))
          equal(make_key(p, account), t.make(tk::pda, {}, {t.constant("associated_token"), key_of(value())}),
                proof::constraint, where);
      }
    } else if (assignment && key == "payer") {
      add(ek::check, t.make(tk::signer_flag, {}, {value()}), proof::cpi, where);
    }
  }
};

void bind_instruction_arguments(program& p, const struct_item& s, interpreter& eval) {
  for (const auto& a : s.attrs) {
    if (a.path != "instruction") continue;
    // The argument list `name: Type, ...` is no expression; names are read from the text.
    std::string_view raw = a.raw;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != ':' || (i + 1 < raw.size() && raw[i + 1] == ':') || (i > 0 && raw[i - 1] == ':'))
        continue;
      auto end = i;
      while (end > 0 && raw[end - 1] == ' ') --end;
      auto begin = end;
      while (begin > 0 && (std::isalnum(static_cast<unsigned char>(raw[begin - 1])) || raw[begin - 1] == '_'))
        --begin;
      const auto name = raw.substr(begin, end - begin);
      if (!name.empty()) eval.bind_name(name, p.terms.make(tk::call, "argument " + std::string(name)));
    }
  }
}

}  // namespace

std::vector<event> constraint_events(program& p, const struct_item& accounts, unsigned depth) {
  std::vector<event> out;
  if (depth > 6) return out;
  const interpreter_limits limits;
  summary scratch;
  interpreter eval(p, -1, scratch, limits, 0);
  eval.ref_.file = p.names.file_of(&accounts);
  const auto all = accounts_term(p, accounts);
  for (const auto& f : accounts.fields) eval.bind_name(f.name, make_field(p, all, f.name));
  eval.bind_name("self", all);
  bind_instruction_arguments(p, accounts, eval);
  reader r{p, accounts, eval, out, eval.ref_.file != nullptr ? eval.ref_.file->id : 0, scratch};
  for (const auto& f : accounts.fields) {
    const auto* inner = p.names.find_struct(program::strip(&f.type)->name);
    if (inner != nullptr && is_accounts_struct(*inner)) {
      auto nested = constraint_events(p, *inner, depth + 1);
      out.insert(out.end(), nested.begin(), nested.end());
      continue;
    }
    const auto account = make_field(p, all, f.name);
    if (p.terms[account].kind != tk::slot) continue;
    const auto number = p.terms[account].num;
    r.of_type(account, slot_info(p.slots[number]));
    for (const auto& a : f.attrs) {
      if (a.path != "account") continue;
      for (const auto* n : a.args) {
        slot_info info = p.slots[number];  // evaluating may add slots
        r.constraint(account, info, n);
        p.slots[number] = info;
      }
      r.derived(account, a);
    }
  }
  return out;
}

}  // namespace osvm::audit
