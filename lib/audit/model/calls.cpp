// Calls: into the program by the callee's summary, into libraries by what the tables know.
#include <algorithm>

#include "interpret.hpp"
#include "library.hpp"

namespace osvm::audit {

summary& summarize(program& p, int id, const interpreter_limits& limits, unsigned depth) {
  auto& s = p.summaries[static_cast<std::size_t>(id)];
  if (s.done || s.busy) return s;
  s.busy = true;
  interpreter(p, id, s, limits, depth).run();
  s.busy = false;
  s.done = true;
  return s;
}

namespace {

// Does the term depend on anything that a caller can fill in?
bool is_open(const term_table& t, term_id id, unsigned depth = 0) {
  const auto& x = t[id];
  switch (x.kind) {
    case tk::param:
    case tk::slot:
    case tk::accounts:
    case tk::context:
    case tk::remaining: return true;
    default: break;
  }
  if (depth > 24) return true;
  return std::any_of(x.args.begin(), x.args.end(), [&](term_id a) { return is_open(t, a, depth + 1); });
}

bool exported(const term_table& t, const event& e) {
  if (e.kind == ek::arith || e.kind == ek::ignored) return false;
  if (is_open(t, e.a) || is_open(t, e.b)) return true;
  return std::any_of(e.args.begin(), e.args.end(), [&](term_id a) { return is_open(t, a); });
}

}  // namespace

term_id interpreter::substitute(term_id id, std::map<term_id, term_id>& done) {
  if (id == no_term) return id;
  if (const auto it = done.find(id); it != done.end()) return it->second;
  if (!is_open(t_, id)) return id;
  const term t = t_[id];
  std::vector<term_id> args;
  for (const auto a : t.args) args.push_back(substitute(a, done));
  term_id out = id;
  if (args != t.args) {
    switch (t.kind) {
      case tk::field: out = make_field(p_, args[0], t.text); break;
      case tk::key: out = make_key(p_, args[0]); break;
      case tk::element: out = make_element(p_, args[0], args[1]); break;
      case tk::cmp: out = make_cmp(p_, t.text, args[0], args[1]); break;
      case tk::unknown: out = t_.unknown(std::move(args)); break;
      default: out = t_.make(t.kind, t.text, std::move(args), t.num, t.type);
    }
  }
  done.emplace(id, out);
  return out;
}

term_id interpreter::inline_call(int callee, std::vector<term_id> args, const node* site) {
  const auto& item = *p_.names.functions()[static_cast<std::size_t>(callee)].item;
  out_.callees.push_back(callee);
  const auto opaque = [&] {
    return t_.make(tk::call, item.name, args, static_cast<std::uint32_t>(callee) + 1);
  };
  if (call_depth_ > limits_.calls) return opaque();
  summary& s = summarize(p_, callee, limits_, call_depth_ + 1);
  if (s.busy) return opaque();
  std::map<term_id, term_id> map;
  for (std::size_t i = 0; i < item.params.size() && i < args.size() && i < 255; ++i)
    map.emplace(
        t_.make(tk::param, {}, {}, (static_cast<std::uint32_t>(callee) << 8) | static_cast<std::uint32_t>(i)),
        args[i]);
  for (const auto slot : s.new_slots) {
    slot_info info = p_.slots[slot];
    const auto old = t_.make(tk::slot, "native", {}, slot);
    p_.slots.push_back(info);
    const auto fresh_number = static_cast<std::uint32_t>(p_.slots.size() - 1);
    const auto fresh = t_.make(tk::slot, "native", {}, fresh_number);
    if (const auto it = p_.display.find(old); it != p_.display.end()) p_.display.emplace(fresh, it->second);
    out_.new_slots.push_back(fresh_number);
    map.emplace(old, fresh);
  }
  std::map<path_id, path_id> branches{{0, path_}};
  const auto branch_of = [&](path_id b) {
    std::vector<path_id> chain;
    for (; !branches.contains(b); b = s.branches[b].parent) chain.push_back(b);
    for (; !chain.empty(); chain.pop_back()) {
      const auto made = new_branch(branches.at(s.branches[chain.back()].parent));
      out_.branches[made].by = s.branches[chain.back()].by;
      branches.emplace(chain.back(), made);
    }
  };
  out_.capped = out_.capped || s.capped;
  const auto first = out_.events.size();
  for (const auto& e : s.events) {
    if (!exported(t_, e)) continue;
    if (out_.events.size() >= limits_.events) {
      out_.capped = true;
      break;
    }
    event copy = e;
    copy.a = substitute(e.a, map);
    copy.b = substitute(e.b, map);
    copy.c = substitute(e.c, map);
    for (auto& a : copy.args) a = substitute(a, map);
    branch_of(e.path);
    copy.path = branches.at(e.path);
    if (copy.kind == ek::cpi && call_again(copy, site)) continue;
    if (copy.kind == ek::write && !p_.is_account(copy.a)) {
      auto state = p_.account_below(copy.a);
      if (state == no_term) state = root_param(copy.a);
      if (state == no_term) continue;  // a value of its own, not an account's
      copy.a = state;
    }
    if (copy.kind == ek::check) {  // it may be a plain truth value that the caller's argument made composite
      const auto kind = t_[copy.a].kind;
      if (kind == tk::both || kind == tk::either || kind == tk::negation || kind == tk::phi) {
        const auto outer = std::exchange(path_, copy.path);
        assume(copy.a, !copy.negated, copy.by, copy.where);
        path_ = outer;
        continue;
      }
    }
    out_.events.push_back(std::move(copy));
  }
  auto value = substitute(s.value, map);
  if (value == no_term) value = opaque();
  // fn load<T>(a: &AccountInfo) -> Result<T>: the caller knows T.
  const auto& v = t_[value];
  const auto* wanted = site->type != nullptr ? site->type : hint_;
  if (v.kind == tk::parsed && wanted != nullptr && !p_.names.has_type(v.text) &&
      p_.names.has_type(wanted->name)) {
    const term generic = v;
    for (auto i = first; i < out_.events.size(); ++i)
      if (auto& e = out_.events[i]; e.kind == ek::parse && e.a == generic.args[0] && e.text == generic.text)
        e.text = wanted->name;
    value = t_.make(tk::parsed, wanted->name, generic.args, 0, wanted);
  }
  return value;
}

// A wrapper around invoke() called what it was given: here it is known which instruction that is.
bool interpreter::call_again(const event& wrapped, const node* site) {
  if (wrapped.text != "invoke" || wrapped.args.size() < 2) return false;
  const auto kind = t_[wrapped.args[0]].kind;
  if (kind != tk::call && kind != tk::aggregate) return false;
  const auto outer = std::exchange(path_, wrapped.path);
  const auto first = out_.events.size();
  invoke(site, {wrapped.args[0], wrapped.args[1], wrapped.b}, wrapped.b != no_term);
  for (auto i = first; i < out_.events.size(); ++i) out_.events[i].where = wrapped.where;
  path_ = outer;
  return true;
}

term_id interpreter::new_account(const node* n, term_id) {
  slot_info info;
  info.where = where(n);
  info.type = p_.named_type("AccountInfo");
  info.name = "account";
  p_.slots.push_back(std::move(info));
  const auto number = static_cast<std::uint32_t>(p_.slots.size() - 1);
  out_.new_slots.push_back(number);
  out_.introduces = true;
  return t_.make(tk::slot, "native", {}, number);
}

term_id interpreter::parse_bytes(const node* n, std::string_view type, term_id bytes, bool tagged) {
  const auto account = p_.account_below(bytes);
  if (account == no_term) return t_.make(tk::call, type, {bytes});
  const auto name = t_.intern(type_name(type));
  event& e = emit(ek::parse, n, account);
  e.text = name;
  e.negated = !tagged;  // negated: nothing refused another type
  return t_.make(tk::parsed, name, {account}, 0, p_.named_type(name));
}

term_id interpreter::resolve_callee(const node* callee, int& id, std::string& full) {
  id = -1;
  if (callee->kind != node_kind::path) {
    const auto value = eval(callee);
    return value;
  }
  if (callee->text.find("::") == std::string_view::npos)
    if (term_id* local = lookup(callee->text)) return *local;  // a closure in a variable
  if (function_ >= 0) {
    std::string path(callee->text);
    if (callee->type != nullptr)
      path = std::string(callee->type->name) + "::" + std::string(last_segment(callee->text));
    id = p_.names.resolve(path, ref_);
    full = p_.names.expand(path, *ref_.file);
  } else {
    full = callee->text;
  }
  return no_term;
}

term_id interpreter::eval_call(const node* n) {
  if (n->kids.empty()) return no_term;
  int id = -1;
  std::string full;
  resolve_callee(n->kids[0], id, full);
  const auto name = last_segment(full);
  if (name == "Ok" || name == "Some" || name == "Box::new") {
    if (n->kids.size() < 2) return no_term;
    return eval(n->kids[1]);
  }
  if (name == "Err") {
    eval_all(n, 1);
    return t_.constant("Err");
  }
  const auto* outer = std::exchange(hint_, nullptr);
  auto args = eval_all(n, 1);
  hint_ = outer;
  // Inside closures that a call takes (`with(|x| ...)`) eval() has seen the body already.
  if (full.find("::cpi::") != std::string::npos && cpi_from_context(n, full, name, args)) return no_term;
  if (id >= 0) return own_call(n, id, full, std::move(args));
  return library_call(n, full, std::move(args));
}

// A function of the program. Its own way of reading bytes is a reading too, understood or not.
term_id interpreter::own_call(const node* n, int id, const std::string& full, std::vector<term_id> args) {
  const auto name = last_segment(full);
  const auto bytes =
      std::find_if(args.begin(), args.end(), [&](term_id a) { return t_[a].kind == tk::data; });
  const bool reads = bytes != args.end() && name.find("deserialize") != std::string_view::npos;
  const auto data = reads ? *bytes : no_term;
  const auto first = out_.events.size();
  const auto value = inline_call(id, std::move(args), n);
  if (!reads) return value;
  for (auto i = first; i < out_.events.size(); ++i)
    if (out_.events[i].kind == ek::parse) return value;
  return parse_bytes(n, qualifier(full), data, false);
}

term_id interpreter::library_call(const node* n, std::string_view path, std::vector<term_id> args) {
  const std::string full(path);
  const auto name = last_segment(path);
  const auto q = qualifier(path);
  bool handled = false;
  const auto special = special_call(n, name, q, full, args, handled);
  if (handled) return special;
  if (cpi_from_context(n, full, name, args)) return t_.make(tk::call, "cpi", {});
  const auto bytes = std::find_if(args.begin(), args.end(), [&](term_id a) {
    const auto account = p_.account_below(a);
    return account != no_term && (t_[a].kind == tk::data || p_.is_account(a));
  });
  switch (classify_function(name)) {
    case method_class::parse:
    case method_class::tagged_parse: {
      if (bytes == args.end()) break;
      const bool tagged = classify_function(name) == method_class::tagged_parse || self_describing(q);
      std::string_view type = n->type != nullptr ? n->type->name : q;
      const bool generic = type.empty() || type == "bytemuck" || type == "borsh" || type == "bincode" ||
                           type == "BorshDeserialize" || type == "AnchorDeserialize" || type == "Pack";
      if (generic && hint_ != nullptr) type = hint_->name;
      if (name == "from_account_info" && p_.is_account(*bytes) &&
          !p_.names.has_type(type)) {  // a sysvar: it checks the key
        event& e = emit(ek::check, n,
                        make_cmp(p_, "==", make_key(p_, *bytes), t_.constant("sysvar::" + std::string(q))));
        e.by = proof::opaque;
        return t_.make(tk::call, full, args);
      }
      return parse_bytes(n, type, *bytes, tagged);
    }
    case method_class::writer:
      for (const auto a : args)
        if (t_[a].kind == tk::data) {
          const auto value = args.size() > 1 ? (a == args[0] ? args[1] : args[0]) : no_term;
          write_through(n, a, value);
          return no_term;
        }
      break;
    default: break;
  }
  if (sounds_like_check(name) && name.find("uncheck") == std::string_view::npos) {
    event& e = emit(ek::check, n, t_.make(tk::call, full, args));
    e.by = proof::opaque;
  } else {
    for (const auto a : args)
      if (p_.is_account(a)) emit(ek::escape, n, a).text = t_.intern(name);
  }
  if (find_builder(full) == nullptr && classify_method(name) == method_class::transparent && args.size() == 1)
    return args[0];
  const auto out = t_.make(tk::call, full, std::move(args));
  return out;
}

term_id interpreter::special_call(const node* n, std::string_view name, std::string_view q,
                                  const std::string& full, std::vector<term_id>& args, bool& handled) {
  handled = true;
  const auto arg = [&](std::size_t i) { return i < args.size() ? args[i] : no_term; };
  if (name == "next_account_info" || name == "next_account_infos") return new_account(n, arg(0));
  if (name == "find_program_address" || name == "try_find_program_address" || name == "derive_address") {
    const auto address = t_.make(tk::pda, {}, {arg(1), arg(0)});
    return t_.make(tk::list, {}, {address, t_.make(tk::pda_bump, {}, {address})});
  }
  if (name == "create_program_address" || name == "checked_create_program_address" ||
      name == "create_address") {
    const auto address = t_.make(tk::created_pda, {}, {arg(1), arg(0)});
    event& e = emit(ek::make_pda, n, address);
    e.b = arg(0);
    return address;
  }
  if (q == "CpiContext" && (name == "new" || name == "new_with_signer")) {
    return t_.make(tk::aggregate, "CpiContext",
                   {t_.constant("program"), arg(0), t_.constant("accounts"), arg(1),
                    t_.constant("signer_seeds"), name == "new" ? no_term : arg(2)});
  }
  if (q == "AccountMeta" && (name == "new" || name == "new_readonly" || name == "writable_signer" ||
                             name == "readonly_signer" || name == "writable" || name == "readonly")) {
    const auto is_signer = name.ends_with("_signer") ? t_.literal("true")
                           : name.starts_with("new") ? arg(1)
                                                     : t_.literal("false");
    return t_.make(tk::aggregate, "AccountMeta",
                   {t_.constant("pubkey"), arg(0), t_.constant("is_signer"), is_signer});
  }
  if (q == "Instruction" && name.starts_with("new")) {
    const bool data_first = name != "new_with_bincode" || true;
    return t_.make(tk::aggregate, "Instruction",
                   {t_.constant("program_id"), arg(0), t_.constant("accounts"), arg(data_first ? 2 : 1)});
  }
  if (name == "invoke" || name == "invoke_signed" || name == "invoke_unchecked" ||
      name == "invoke_signed_unchecked" || name == "slice_invoke" || name == "slice_invoke_signed" ||
      name == "invoke_with_bounds" || name == "invoke_cpi" || name == "invoke_signed_with_bounds") {
    invoke(n, args, name.find("signed") != std::string_view::npos);
    return no_term;
  }
  if ((name == "swap" || name == "replace" || name == "take") && (q == "mem") && !args.empty()) {
    const auto account = p_.account_below(arg(0));
    if (account != no_term) {
      event& e = emit(ek::write, n, account);
      e.text = t_[arg(0)].kind == tk::field ? t_[arg(0)].text : std::string_view("*");
      e.b = arg(1);
    }
    return arg(0);
  }
  // Wrappers made from an account: the constructor checks what the type promises.
  if ((name == "try_from" || name == "try_from_unchecked") && !args.empty() && p_.is_account(arg(0))) {
    std::string_view type = n->kids[0]->type != nullptr && !n->kids[0]->type->args.empty()
                                ? program::strip(&n->kids[0]->type->args.back())->name
                                : std::string_view{};
    if (type.empty() && hint_ != nullptr && !hint_->args.empty())
      type = program::strip(&hint_->args.back())->name;
    if (q == "Signer") {
      emit(ek::check, n, t_.make(tk::signer_flag, {}, {arg(0)}));
      return arg(0);
    }
    if (q == "Account" || q == "AccountLoader" || q == "InterfaceAccount") {
      if (name == "try_from")
        emit(ek::check, n,
             make_cmp(p_, "==", t_.make(tk::owner, {}, {arg(0)}), t_.constant("type::" + std::string(type))));
      return parse_bytes(n, type, arg(0), true);
    }
    if (q == "Program" || q == "Interface" || q == "Sysvar") {
      emit(ek::check, n, make_cmp(p_, "==", make_key(p_, arg(0)), t_.constant("type::" + std::string(q))));
      return arg(0);
    }
  }
  if ((q == "Rent" || q == "Clock" || q == "EpochSchedule") && name == "get") return t_.make(tk::call, full);
  if (name == "pubkey_eq" || name == "address_eq" || name == "cmp_pubkeys" || name == "keys_eq" ||
      name == "sol_memcmp") {
    if (name == "sol_memcmp") {
      handled = false;
      return no_term;
    }
    return make_cmp(p_, "==", arg(0), arg(1));
  }
  if (name.starts_with("load_current_index") || name.starts_with("load_instruction_at") ||
      name.starts_with("get_instruction_relative"))
    return introspect(n, name, args);
  if (q == "Cursor" && name == "new") return arg(0);
  if ((q == "Box" || q == "Rc" || q == "Arc" || q == "RefCell" || q == "Cow") && name == "new") return arg(0);
  if (name == "drop" || name == "sol_log" || name == "sol_log_data") return no_term;
  handled = false;
  return no_term;
}

// The instructions sysvar: the checked loaders compare the account's address, the old ones take any bytes.
term_id interpreter::introspect(const node* n, std::string_view name, const std::vector<term_id>& args) {
  for (const auto a : args) {
    const auto account = p_.account_below(a);
    if (account == no_term) continue;
    if (name.ends_with("_checked") || name == "get_instruction_relative") {
      event& e =
          emit(ek::check, n, make_cmp(p_, "==", make_key(p_, account), t_.constant("sysvar::instructions")));
      e.by = proof::opaque;
    }
    emit(ek::escape, n, account).text = t_.intern(name);
    return t_.make(tk::call, name, args);
  }
  return t_.make(tk::call, name, args);
}

void interpreter::write_through(const node* n, term_id target, term_id value) {
  const auto account = p_.account_below(target);
  if (account == no_term) return;
  event& e = emit(ek::write, n, account);
  e.text = "*";
  e.b = value;
}

// --- calls of other programs
// ---------------------------------------------------------------------------------

void interpreter::emit_cpi(const node* n, term_id program, std::string_view builder, term_id instruction,
                           term_id accounts, term_id seeds) {
  event& e = emit(ek::cpi, n, program);
  e.text = t_.intern(builder);
  e.b = seeds;
  e.args = {instruction, accounts};
  cpi_signers(n, instruction, accounts, builder, seeds);
}

// Without a PDA's seeds, an account that the called program wants as a signer has signed this transaction.
void interpreter::cpi_signers(const node* n, term_id instruction, term_id accounts, std::string_view builder,
                              term_id seeds) {
  if (seeds != no_term) return;
  const auto signed_by = [&](term_id value) {
    auto account = p_.account_below(value);
    if (account == no_term && t_[value].kind == tk::key) account = t_[value].args[0];
    if (account == no_term) return;
    event& e = emit(ek::check, n, t_.make(tk::signer_flag, {}, {account}));
    e.by = proof::cpi;
  };
  const auto name = last_segment(builder);
  for (const auto from : {instruction, accounts}) {
    const term x = t_[from];
    if (x.kind == tk::call) {
      if (const auto* row = find_builder(x.text)) {
        for (const int i : {row->signer, row->signer2})
          if (i >= 0 && static_cast<std::size_t>(i) < x.args.size())
            signed_by(x.args[static_cast<std::size_t>(i)]);
      } else {
        for (const auto a : x.args) cpi_signers(n, a, no_term, builder, seeds);
      }
    } else if (x.kind == tk::list) {
      for (const auto a : x.args)
        if (t_[a].kind == tk::aggregate) cpi_signers(n, a, no_term, builder, seeds);
    } else if (x.kind == tk::aggregate) {
      term_id key = no_term;
      bool is_signer = false;
      for (std::size_t i = 0; i + 1 < x.args.size(); i += 2) {
        const auto field = t_[x.args[i]].text;
        const auto value = x.args[i + 1];
        if (x.text == "AccountMeta") {
          if (field == "pubkey") key = value;
          if (field == "is_signer") is_signer = t_[value].text == "true";
        } else if (x.text == "Instruction") {
          if (field == "accounts") cpi_signers(n, value, no_term, builder, seeds);
        } else if (signer_role(field, name)) {
          signed_by(value);
        }
      }
      if (is_signer) signed_by(key);
    }
  }
}

void interpreter::invoke(const node* n, const std::vector<term_id>& args, bool is_signed) {
  const auto instruction = !args.empty() ? args[0] : no_term;
  const auto accounts = args.size() > 1 ? args[1] : no_term;
  auto seeds = is_signed && args.size() > 2 ? args[2] : no_term;
  if (seeds != no_term && t_[seeds].kind == tk::list && t_[seeds].args.empty()) seeds = no_term;
  const term x = t_[instruction];
  if (x.kind == tk::aggregate) {
    const auto program = make_field(p_, instruction, "program_id");
    emit_cpi(n, program, x.text, instruction, accounts, seeds);
    return;
  }
  if (x.kind == tk::call) {
    const auto* row = find_builder(x.text);
    if (row != nullptr && !row->program.empty()) {
      emit_cpi(n, t_.constant(row->program), x.text, instruction, accounts, seeds);
      return;
    }
    // Builders of other programs: an argument that is an account's key by the name of a program is its id.
    term_id program = no_term;
    if (row != nullptr && !x.args.empty()) program = x.args[0];
    if (program == no_term)
      for (const auto a : x.args) {
        const auto account = t_[a].kind == tk::key ? t_[a].args[0] : no_term;
        if (account != no_term && p_.account_name(account).find("program") != std::string::npos) program = a;
      }
    emit_cpi(n, program != no_term ? program : t_.constant(std::string(qualifier(x.text)) + "::ID"), x.text,
             instruction, accounts, seeds);
    return;
  }
  emit_cpi(n, t_.unknown({instruction}), "invoke", instruction, accounts, seeds);
}

bool interpreter::cpi_from_context(const node* n, const std::string& full, std::string_view name,
                                   const std::vector<term_id>& args) {
  const auto it = std::find_if(args.begin(), args.end(), [&](term_id a) {
    return t_[a].kind == tk::aggregate && t_[a].text == "CpiContext";
  });
  if (it == args.end()) return false;
  const auto context = *it;
  // anchor_spl::token builds for the fixed token program; the interface flavour and others call what they are
  // given.
  const auto q = qualifier(full);
  const bool fixed =
      q == "token" || q == "system_program" || q == "associated_token" || q == "memo" || q == "token_2022";
  const auto program = fixed ? t_.constant(std::string(q) + "::ID") : make_field(p_, context, "program");
  const auto named = fixed ? make_field(p_, context, "program") : no_term;
  const auto below = p_.account_below(named);
  const auto given = below != no_term ? below : named;
  if (given != no_term) emit(ek::named, n, given).text = t_.intern(name);
  const auto first = out_.events.size();
  emit_cpi(n, program, full, no_term, make_field(p_, context, "accounts"),
           make_field(p_, context, "signer_seeds"));
  std::vector<term_id> others;
  for (const auto a : args)
    if (a != context && a != no_term) others.push_back(a);
  if (!others.empty() && first < out_.events.size())
    out_.events[first].c = t_.make(tk::list, {}, std::move(others));
  return true;
}

}  // namespace osvm::audit
