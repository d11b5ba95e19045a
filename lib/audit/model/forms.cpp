// Normal forms of terms, and what is known about their types.
#include <algorithm>

#include "interpret.hpp"

namespace osvm::audit {
namespace {

bool is_raw(std::string_view name) {
  return name == "AccountInfo" || name == "UncheckedAccount" || name == "AccountView" ||
         name == "NoLifetimeAccountInfo" || name == "Info";
}
bool is_wrapper(std::string_view name) {
  static const std::set<std::string_view> names = {
      "Account",        "Signer",       "Program",          "SystemAccount", "Sysvar",
      "AccountLoader",  "Interface",    "InterfaceAccount", "Loader",        "CpiAccount",
      "ProgramAccount", "ProgramState", "LazyAccount",      "Migration",     "SignerInfo"};
  return names.contains(name);
}
tk attribute_kind(std::string_view name) {
  if (name == "key" || name == "address") return tk::key;
  if (name == "owner") return tk::owner;
  if (name == "lamports") return tk::lamports;
  if (name == "data") return tk::data;
  if (name == "is_signer") return tk::signer_flag;
  if (name == "is_writable") return tk::writable_flag;
  if (name == "executable") return tk::executable_flag;
  return tk::unknown;
}

}  // namespace

bool is_accounts_struct(const struct_item& s) {
  for (const auto& a : s.attrs)
    if (a.path == "derive" && a.raw.find("Accounts") != std::string_view::npos) return true;
  return false;
}

std::string_view flipped(std::string_view op) {
  if (op == "==") return "!=";
  if (op == "!=") return "==";
  if (op == "<") return ">=";
  if (op == ">=") return "<";
  if (op == ">") return "<=";
  if (op == "<=") return ">";
  return op;
}

const type_ref* program::named_type(std::string_view name) {
  types.push_back({});
  types.back().name = types.back().path = terms.intern(name);
  return &types.back();
}

const type_ref* program::strip(const type_ref* t) {
  static const std::set<std::string_view> wrappers = {
      "Box",    "Rc",  "Arc",           "RefCell", "Ref",         "RefMut", "Option",
      "Result", "Cow", "ProgramResult", "Cell",    "MaybeUninit", "Mut",    "MaybeMut"};
  for (int i = 0; t != nullptr && i < 8; ++i) {
    if (!wrappers.contains(t->name) || t->args.empty()) return t;
    t = &t->args.front();
  }
  return t;
}

bool program::is_account_type(const type_ref* t) const {
  t = strip(t);
  return t != nullptr && !t->slice &&
         (is_raw(t->name) || (is_wrapper(t->name) && (t->name != "Account" || !t->args.empty())));
}

const type_ref* program::type_of(term_id id) const {
  const auto& t = terms[id];
  switch (t.kind) {
    case tk::slot: return slots[t.num].type;
    case tk::context:
    case tk::accounts:
    case tk::parsed:
    case tk::aggregate: return t.type;
    case tk::param: {
      const auto& f = *names.functions()[t.num >> 8].item;
      const auto i = t.num & 0xff;
      return i < f.params.size() ? strip(&f.params[i].type) : nullptr;
    }
    case tk::field: {
      const type_ref* base = strip(type_of(t.args[0]));
      if (base == nullptr) return nullptr;
      if (base->tuple) {
        const auto i = static_cast<std::size_t>(t.text.empty() ? 9 : t.text[0] - '0');
        return i < base->args.size() ? strip(&base->args[i]) : nullptr;
      }
      if (is_wrapper(base->name) && !base->args.empty()) base = strip(&base->args.back());
      const auto* s = names.find_struct(base->name);
      if (s == nullptr) return nullptr;
      for (const auto& f : s->fields)
        if (f.name == t.text) return strip(&f.type);
      return nullptr;
    }
    case tk::element: {
      const type_ref* base = strip(type_of(t.args[0]));
      if (base == nullptr || base->args.empty()) return nullptr;
      return base->slice || base->name == "Vec" || base->name == "Iter" ? strip(&base->args.front())
                                                                        : nullptr;
    }
    case tk::call:
      if (t.num != 0) return strip(&names.functions()[t.num - 1].item->ret);
      return t.type;
    case tk::phi: return t.args.empty() ? nullptr : type_of(t.args[0]);
    default: return nullptr;
  }
}

bool program::is_account(term_id id) const {
  const auto k = terms[id].kind;
  if (k == tk::slot) return true;
  if (k == tk::element && terms[terms[id].args[0]].kind == tk::remaining) return true;
  if (k == tk::phi)
    return std::any_of(terms[id].args.begin(), terms[id].args.end(),
                       [&](term_id a) { return is_account(a); });
  if (k == tk::parsed || k == tk::literal || k == tk::constant) return false;
  return is_account_type(type_of(id));
}

const slot_info* program::slot_of(term_id id) const {
  return terms[id].kind == tk::slot ? &slots[terms[id].num] : nullptr;
}

std::string program::account_name(term_id id) const {
  if (const auto* s = slot_of(id); s != nullptr && s->field != nullptr) return s->name;
  if (const auto it = display.find(id); it != display.end()) return it->second;
  if (const auto* s = slot_of(id)) return s->name;
  const auto& t = terms[id];
  if (t.kind == tk::field) return std::string(t.text);
  if (t.kind == tk::param) {
    const auto& f = *names.functions()[t.num >> 8].item;
    return std::string(f.params[t.num & 0xff].pat.text);
  }
  if (t.kind == tk::element) return account_name(t.args[0]) + "[" + std::string(terms[t.args[1]].text) + "]";
  if (t.kind == tk::remaining) return "remaining_accounts";
  return "account";
}

std::string_view program::wrapper_of(term_id id) const {
  const type_ref* t = strip(type_of(id));
  return t != nullptr ? t->name : std::string_view{};
}

std::string_view program::inner_type(term_id id) const {
  const type_ref* t = strip(type_of(id));
  return t != nullptr && !t->args.empty() && !is_raw(t->name) ? strip(&t->args.back())->name
                                                              : std::string_view{};
}

term_id program::account_below(term_id id) const {
  for (int i = 0; i < 32; ++i) {
    if (is_account(id)) return id;
    const auto& t = terms[id];
    switch (t.kind) {
      case tk::field:
      case tk::key:
      case tk::owner:
      case tk::lamports:
      case tk::data:
      case tk::signer_flag:
      case tk::writable_flag:
      case tk::executable_flag:
      case tk::parsed:
      case tk::element:
        if (t.args.empty()) return no_term;
        id = t.args[0];
        break;
      case tk::phi:
      case tk::unknown:
      case tk::call:
        for (const auto a : t.args)
          if (const auto below = account_below(a); below != no_term) return below;
        return no_term;
      default: return no_term;
    }
  }
  return no_term;
}

std::string_view program::text(const span& s) const {
  const auto& f = owner.files[s.file];
  return std::string_view(f.text).substr(s.begin, s.end - s.begin);
}

term_id accounts_term(program& p, const struct_item& s) {
  const auto* type = p.named_type(s.name);
  return p.terms.make(tk::accounts, s.name, {}, 0, type);
}

namespace {

// The account of one field of an Accounts struct; the same for every instruction that uses the struct.
term_id anchor_slot(program& p, const struct_item& s, const field_item& f) {
  const auto file = p.names.file_of(&s);
  const std::string key = std::string(s.name) + "." + std::string(f.name);
  for (std::uint32_t i = 0; i < p.slots.size(); ++i)
    if (p.slots[i].field == &f) return p.terms.make(tk::slot, key, {}, i);
  slot_info info;
  info.name = f.name;
  info.type = program::strip(&f.type);
  info.optional = f.type.name == "Option";
  info.field = &f;
  info.accounts = &s;
  info.where = {file != nullptr ? file->id : 0, f.begin, f.end};
  p.slots.push_back(std::move(info));
  return p.terms.make(tk::slot, key, {}, static_cast<std::uint32_t>(p.slots.size() - 1));
}

term_id accounts_field(program& p, const term& base, std::string_view name) {
  const auto* s = p.names.find_struct(base.text);
  if (s == nullptr) return no_term;
  for (const auto& f : s->fields) {
    if (f.name != name) continue;
    const auto* inner = p.names.find_struct(program::strip(&f.type)->name);
    if (inner != nullptr && is_accounts_struct(*inner)) return accounts_term(p, *inner);
    return anchor_slot(p, *s, f);
  }
  return no_term;
}

bool has_field(const program& p, std::string_view type, std::string_view name) {
  const auto* s = p.names.find_struct(type);
  return s != nullptr &&
         std::any_of(s->fields.begin(), s->fields.end(), [&](const field_item& f) { return f.name == name; });
}

}  // namespace

term_id make_field(program& p, term_id base, std::string_view name) {
  auto& t = p.terms;
  const term b = t[base];  // a copy: making terms may move them
  if (b.kind == tk::phi) {
    term_id out = no_term;
    for (const auto a : b.args) out = t.phi(out, make_field(p, a, name));
    return out;
  }
  if (b.kind == tk::context) {
    if (name == "accounts") {
      const auto* s = p.names.find_struct(b.text);
      return s != nullptr ? accounts_term(p, *s) : no_term;
    }
    if (name == "remaining_accounts") return t.make(tk::remaining, b.text);
    if (name == "program_id") return t.constant("crate::ID");
    return t.constant(std::string("bumps"));
  }
  if (b.kind == tk::accounts)
    if (const auto slot = accounts_field(p, b, name); slot != no_term) return slot;
  if (b.kind == tk::data) return base;  // a part of the bytes
  if (b.kind == tk::constant && b.text.starts_with("bumps")) return t.constant("bumps");
  if (b.kind == tk::aggregate)
    for (std::size_t i = 0; i + 1 < b.args.size(); i += 2)
      if (t[b.args[i]].text == name) return b.args[i + 1];
  if (b.kind == tk::list && name.size() == 1 && static_cast<std::size_t>(name[0] - '0') < b.args.size())
    return b.args[static_cast<std::size_t>(name[0] - '0')];
  if (p.is_account(base)) {
    const auto inner = p.inner_type(base);
    const bool typed = !inner.empty();
    const auto attribute = attribute_kind(name);
    // Token accounts and mints have no such fields: this is the account's own, behind to_account_info().
    if ((inner == "TokenAccount" || inner == "Mint") && !p.names.has_type(inner) &&
        (attribute == tk::data || attribute == tk::lamports || attribute == tk::signer_flag ||
         attribute == tk::writable_flag))
      return t.make(attribute, {}, {base});
    if (typed && (has_field(p, inner, name) || (attribute != tk::key && !p.names.has_type(inner))))
      return t.make(tk::field, name, {t.make(tk::parsed, inner, {base}, 0, p.named_type(inner))});
    if (attribute != tk::unknown) return t.make(attribute, {}, {base});
    if (typed) return t.make(tk::field, name, {t.make(tk::parsed, inner, {base}, 0, p.named_type(inner))});
  }
  return t.make(tk::field, name, {base});
}

term_id make_element(program& p, term_id base, term_id index) {
  const auto& b = p.terms[base];
  const auto& i = p.terms[index];
  if (b.kind == tk::list && i.kind == tk::literal && !i.text.empty() && i.text[0] >= '0' &&
      i.text[0] <= '9') {
    std::size_t n = 0;
    for (const char c : i.text) {
      if (c < '0' || c > '9' || n > 10000) break;
      n = n * 10 + static_cast<std::size_t>(c - '0');
    }
    if (n < b.args.size()) return b.args[n];
  }
  // A part of an account's bytes is still its bytes.
  if (b.kind == tk::data) return base;
  return p.terms.make(tk::element, {}, {base, index});
}

term_id make_key(program& p, term_id account) {
  const auto k = p.terms[account].kind;
  if (k == tk::phi) {
    const auto args = p.terms[account].args;
    term_id out = no_term;
    for (const auto a : args) out = p.terms.phi(out, make_key(p, a));
    return out;
  }
  if (p.is_account(account) || k == tk::param || k == tk::element || k == tk::unknown) {
    const auto* type = program::strip(p.type_of(account));
    if (type != nullptr && (type->name == "Pubkey" || type->name == "Address")) return account;
    return p.terms.make(tk::key, {}, {account});
  }
  return account;
}

term_id make_cmp(program& p, std::string_view op, term_id a, term_id b) {
  auto& t = p.terms;
  const auto is_memcmp = [&](term_id x) {
    const auto& c = t[x];
    return c.kind == tk::call && c.args.size() >= 2 &&
           (last_segment(c.text) == "sol_memcmp" || last_segment(c.text) == "memcmp");
  };
  if (is_memcmp(a) && t[b].text == "0") return make_cmp(p, op, t[a].args[0], t[a].args[1]);
  if (t[b].kind == tk::literal && (t[b].text == "true" || t[b].text == "false") &&
      (op == "==" || op == "!=")) {
    const bool positive = (t[b].text == "true") == (op == "==");
    return positive ? a : t.make(tk::negation, {}, {a});
  }
  return t.make(tk::cmp, op, {a, b});
}

}  // namespace osvm::audit
