// Methods: the accessors of accounts, transparent wrappers, and calls into the program.
#include <algorithm>

#include "interpret.hpp"
#include "library.hpp"

namespace osvm::audit {

term_id interpreter::eval_method(const node* n) {
  const node* receiver = n->kids[0];
  const auto name = n->text;
  // vec.push(x) on a variable: the list grows.
  if (name == "push" && receiver->kind == node_kind::path && n->kids.size() == 2) {
    const auto value = eval(n->kids[1]);
    if (term_id* v = lookup(receiver->text)) {
      auto args = t_[*v].kind == tk::list ? t_[*v].args : std::vector<term_id>{*v};
      args.push_back(value);
      *v = args.size() > 64 ? t_.unknown(args) : t_.make(tk::list, {}, args);
    }
    return no_term;
  }
  // vec.extend_from_slice(accounts): the list ends with what is behind it.
  if ((name == "extend_from_slice" || name == "extend" || name == "append") &&
      receiver->kind == node_kind::path && n->kids.size() == 2) {
    const auto value = eval(n->kids[1]);
    if (term_id* v = lookup(receiver->text)) {
      auto args = t_[*v].kind == tk::list ? t_[*v].args : std::vector<term_id>{*v};
      args.push_back(value);
      *v = args.size() > 64 ? t_.unknown(args) : t_.make(tk::list, {}, args);
    }
    return no_term;
  }
  const auto* outer = std::exchange(hint_, nullptr);
  const auto self = eval(receiver);
  std::vector<term_id> args;
  const auto type = classify_method(name);
  const node* closure = nullptr;
  for (std::size_t i = 1; i < n->kids.size(); ++i) {
    if (n->kids[i]->kind == node_kind::closure && closure == nullptr) {
      closure = n->kids[i];
      args.push_back(no_term);
    } else {
      args.push_back(eval(n->kids[i]));
    }
  }
  hint_ = outer;
  term_id inner = no_term;
  if (closure != nullptr) {
    const auto outer_path = path_;
    const bool asserts = name == "assert" || name == "assert_mut" || name == "assert_msg";
    const bool each = name == "for_each" || name == "any" || name == "all" || name == "find" ||
                      name == "filter" || name == "position";
    if (!asserts) path_ = new_branch(path_);
    inner = eval_closure(closure, each ? make_element(p_, self, t_.literal("each")) : self);
    path_ = outer_path;
    if (asserts) {
      assume(inner, true, proof::code, where(n));
      return self;
    }
  }
  bool handled = false;
  const auto out = account_method(n, name, self, args, handled);
  if (handled) return out;

  const auto* t = program::strip(p_.type_of(self));
  std::string_view type_of_self = t != nullptr ? t->name : std::string_view{};
  if (t_[self].kind == tk::accounts || t_[self].kind == tk::aggregate || t_[self].kind == tk::parsed)
    type_of_self = t_[self].text;
  int id = -1;
  if (t != nullptr && !t->args.empty() && p_.is_account(self))
    id = p_.names.resolve_method(p_.inner_type(self), name);
  term_id callee_self = self;
  if (id >= 0)
    callee_self = t_.make(tk::parsed, p_.inner_type(self), {self}, 0, p_.named_type(p_.inner_type(self)));
  if (id < 0 && (type == method_class::none || !type_of_self.empty()) && !is_std_method(name))
    id = p_.names.resolve_method(type_of_self, name);
  if (id >= 0) {
    args.insert(args.begin(), callee_self);
    return inline_call(id, std::move(args), n);
  }
  if (closure != nullptr && type == method_class::first_closure) return inner != no_term ? inner : self;
  if (closure != nullptr && type == method_class::none) args.push_back(inner);
  return plain_method(n, name, self, std::move(args));
}

term_id interpreter::account_method(const node* n, std::string_view name, term_id self,
                                    std::vector<term_id>& args, bool& handled) {
  handled = true;
  const auto kind = t_[self].kind;
  const bool account = p_.is_account(self);
  const bool maybe = account || kind == tk::param || kind == tk::element;
  const auto arg = [&](std::size_t i) { return i < args.size() ? args[i] : no_term; };
  if ((name == "key" || name == "address" || name == "unsigned_key") && args.empty()) {
    // Account::<T>::try_from(info): the value stands for the account as well.
    if (kind == tk::parsed && p_.names.resolve_method(t_[self].text, name) < 0)
      return make_key(p_, t_[self].args[0]);
    return make_key(p_, self);
  }
  if (name == "with_signer" && kind == tk::aggregate) {
    auto parts = t_[self].args;
    for (std::size_t i = 0; i + 1 < parts.size(); i += 2)
      if (t_[parts[i]].text == "signer_seeds") parts[i + 1] = arg(0);
    return t_.make(tk::aggregate, t_[self].text, std::move(parts));
  }
  if (name == "with_remaining_accounts" && kind == tk::aggregate) return self;
  if ((name == "invoke" || name == "invoke_signed") && kind == tk::aggregate) {
    const auto program = make_field(p_, self, "__program");
    const bool own =
        t_[program].kind == tk::field;  // the struct has no such field: its builder pins the program
    const auto given = make_field(p_, self, "token_program");
    const auto called = t_[given].kind != tk::field ? make_key(p_, given)
                        : own                       ? t_.constant("cpi::" + std::string(t_[self].text))
                                                    : program;
    emit_cpi(n, called, t_[self].text, no_term, self, name == "invoke" ? no_term : arg(0));
    return no_term;
  }
  if (!maybe) {
    handled = false;
    return no_term;
  }
  if (name == "is_signer" && args.empty()) return t_.make(tk::signer_flag, {}, {self});
  if (name == "is_writable" && args.empty()) return t_.make(tk::writable_flag, {}, {self});
  if (name == "executable" && args.empty()) return t_.make(tk::executable_flag, {}, {self});
  if (account && name == "owner" && args.empty()) return t_.make(tk::owner, {}, {self});
  if (account && (name == "owned_by" || name == "is_owned_by"))
    return make_cmp(p_, "==", t_.make(tk::owner, {}, {self}), arg(0));
  if (account &&
      (name == "has_owner" || name == "has_address" || name == "is_program" || name == "is_sysvar")) {
    const auto what = name == "has_owner" ? t_.make(tk::owner, {}, {self}) : make_key(p_, self);
    assume(make_cmp(p_, "==", what, arg(0)), true, proof::code, where(n));
    return self;
  }
  if (account && name == "has_seeds") {
    assume(make_cmp(p_, "==", make_key(p_, self), t_.make(tk::pda, {}, {arg(1), arg(0)})), true, proof::code,
           where(n));
    return self;
  }
  if (account && (name == "as_account" || name == "as_account_mut" || name == "is_type")) {
    assume(make_cmp(p_, "==", t_.make(tk::owner, {}, {self}), arg(0)), true, proof::code, where(n));
    const std::string_view type = n->type != nullptr ? n->type->name : std::string_view("T");
    return name == "is_type" ? self : parse_bytes(n, type, self, true);
  }
  if (account && (name == "is_empty" || name == "data_is_empty"))
    return t_.make(tk::call, "is_empty", {t_.make(tk::data, {}, {self})});
  if (account && (name == "data_len" || name == "try_data_len"))
    return t_.make(tk::call, "len", {t_.make(tk::data, {}, {self})});
  if (account && (name == "load" || name == "load_mut" || name == "load_init") &&
      !p_.inner_type(self).empty()) {
    const auto inner = p_.inner_type(self);
    return t_.make(tk::parsed, inner, {self}, 0, p_.named_type(inner));
  }
  if (account && name == "close") {
    emit(ek::close, n, self).b = arg(0);
    return no_term;
  }
  if (account && name == "assign") {
    emit(ek::assign, n, self).b = arg(0);
    return no_term;
  }
  if (account && (name == "realloc" || name == "resize" || name == "realloc_unchecked")) {
    event& e = emit(ek::resize, n, self);
    e.b = arg(0);
    e.args = args;
    return no_term;
  }
  if (account && (name == "sub_lamports" || name == "add_lamports" || name == "set_lamports")) {
    event& e = emit(ek::lamports, n, self);
    e.text = name == "sub_lamports" ? "-=" : name == "add_lamports" ? "+=" : "=";
    e.b = arg(0);
    return no_term;
  }
  if (account && (name == "set_inner" || name == "exit")) {
    if (name == "set_inner") {
      event& e = emit(ek::write, n, self);
      e.text = "*";
      e.b = arg(0);
    }
    return no_term;
  }
  if (account && name == "reload") {
    emit(ek::check, n, t_.make(tk::call, "reload", {self})).by = proof::opaque;
    return no_term;
  }
  if (account && name == "data" && args.empty()) return t_.make(tk::data, {}, {self});
  switch (classify_method(name)) {
    case method_class::data: return t_.make(tk::data, {}, {self});
    case method_class::lamports: return t_.make(tk::lamports, {}, {self});
    default: break;
  }
  handled = false;
  return no_term;
}

term_id interpreter::plain_method(const node* n, std::string_view name, term_id self,
                                  std::vector<term_id> args) {
  const auto arg = [&](std::size_t i) { return i < args.size() ? args[i] : no_term; };
  if ((name == "eq" || name == "ne") && args.size() == 1)
    return make_cmp(p_, name == "eq" ? "==" : "!=", self, arg(0));
  const auto* type = program::strip(p_.type_of(self));
  const bool list =
      t_[self].kind == tk::remaining ||
      (type != nullptr && type->slice && !type->args.empty() && p_.is_account_type(&type->args.front()));
  if (list && (name == "next" || name == "split_first" || name == "first")) {
    const auto account = new_account(n, self);
    return name == "split_first" ? t_.make(tk::list, {}, {account, self}) : account;
  }
  if (list && (name == "get" || name == "get_mut" || name == "get_unchecked"))
    return make_element(p_, self, arg(0));
  if (name == "unwrap_or") return t_.phi(self, arg(0));
  if (name == "first_chunk" || name == "get" || name == "get_mut" || name == "split_at" ||
      name == "split_at_mut" || name == "split_first" || name == "split_last")
    if (t_[self].kind == tk::data) return self;
  switch (classify_method(name)) {
    case method_class::transparent:
    case method_class::receiver:
    case method_class::first_closure: return self;
    case method_class::writer: {
      const bool into_self = t_[self].kind == tk::data || (p_.account_below(self) != no_term &&
                                                           args.size() == 1 && t_[arg(0)].kind != tk::data);
      if (t_[self].kind == tk::data) {
        write_through(n, self, arg(0));
      } else {
        for (const auto a : args)
          if (t_[a].kind == tk::data) write_through(n, a, self);
      }
      (void)into_self;
      return no_term;
    }
    default: break;
  }
  if (classify_function(name) == method_class::parse && t_[self].kind == tk::data) {
    const std::string_view type_name_ = n->type != nullptr ? n->type->name
                                        : hint_ != nullptr ? hint_->name
                                                           : std::string_view("T");
    return parse_bytes(n, type_name_, self, false);
  }
  std::vector<term_id> all{self};
  all.insert(all.end(), args.begin(), args.end());
  if (sounds_like_check(name)) {
    event& e = emit(ek::check, n, t_.make(tk::call, name, all));
    e.by = proof::opaque;
  } else {
    for (const auto a : all)
      if (p_.is_account(a)) emit(ek::escape, n, a).text = t_.intern(name);
  }
  return t_.make(tk::call, name, std::move(all));
}

}  // namespace osvm::audit
