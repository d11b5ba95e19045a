#include "interpret.hpp"

#include <algorithm>

#include "library.hpp"

namespace osvm::audit {

interpreter::interpreter(program& p, int function, summary& out, const interpreter_limits& limits,
                         unsigned depth)
    : p_(p), t_(p.terms), function_(function), out_(out), limits_(limits), call_depth_(depth) {
  if (function >= 0) ref_ = p.names.functions()[static_cast<std::size_t>(function)];
}

span interpreter::where(const node* n) const {
  return {ref_.file != nullptr ? ref_.file->id : 0, n->begin, n->end};
}

event& interpreter::emit(ek kind, const node* n, term_id a) {
  static thread_local event dropped;
  if (out_.events.size() >= limits_.events) {
    out_.capped = true;
    return dropped = event{};
  }
  event e;
  e.kind = kind;
  e.a = a;
  e.path = path_;
  if (n != nullptr) e.where = where(n);
  out_.events.push_back(std::move(e));
  return out_.events.back();
}

path_id interpreter::new_branch(path_id parent) {
  out_.branches.push_back({parent, out_.branches[parent].depth + 1});
  return static_cast<path_id>(out_.branches.size() - 1);
}

void interpreter::run() {
  const auto& f = *ref_.item;
  for (std::size_t i = 0; i < f.params.size() && i < 255; ++i) {
    const auto& param = f.params[i];
    term_id value = t_.make(tk::param, {}, {},
                            (static_cast<std::uint32_t>(function_) << 8) | static_cast<std::uint32_t>(i));
    const auto* type = program::strip(&param.type);
    if (type != nullptr && type->name == "Context" && !type->args.empty()) {
      value = t_.make(tk::context, type_name(type->args.back().name), {}, 0, type);
    } else if (type != nullptr) {
      const auto* s = p_.names.find_struct(param.is_self ? f.impl_type : type->name);
      if (s != nullptr && is_accounts_struct(*s)) value = accounts_term(p_, *s);
    }
    bind(param.pat, value);
    if (param.is_self) env_.emplace_back("self", value);
  }
  hint_ = program::strip(&f.ret);
  // #[access_control(ctx.accounts.validate())] runs before the body, and its error ends the instruction.
  for (const auto& a : f.attrs)
    if (a.path == "access_control")
      for (const auto* n : a.args) eval(n);
  diverges_ = false;
  const auto value = eval_block(f.body);
  if (!diverges_) out_.value = t_.phi(out_.value, value);
}

term_id* interpreter::lookup(std::string_view name) {
  for (auto it = env_.rbegin(); it != env_.rend(); ++it)
    if (it->first == name) return &it->second;
  return nullptr;
}

void interpreter::bind(const pattern& p, term_id value) {
  switch (p.kind) {
    case pattern_kind::bind:
      env_.emplace_back(p.text, value);
      if (value != no_term && p_.is_account(value)) p_.display.emplace(value, std::string(p.text));
      return;
    case pattern_kind::tuple: {
      static constexpr std::string_view digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
      for (std::size_t i = 0; i < p.subs.size() && i < 10; ++i)
        bind(p.subs[i], make_field(p_, value, digits[i]));
      return;
    }
    case pattern_kind::tuple_struct: {
      const auto name = last_segment(p.text);
      if (p.subs.size() == 1 && (name == "Some" || name == "Ok" || name == "Ref" || name == "Err")) {
        bind(p.subs[0], name == "Err" ? no_term : value);
        return;
      }
      for (std::size_t i = 0; i < p.subs.size() && i < 10; ++i)
        bind(p.subs[i], make_field(p_, value, std::string(name) + "." + std::to_string(i)));
      return;
    }
    case pattern_kind::structure:
      for (const auto& s : p.subs) bind(s, make_field(p_, value, s.field_name));
      return;
    case pattern_kind::slice: {
      bool after_rest = false;
      for (std::size_t i = 0; i < p.subs.size(); ++i) {
        if (p.subs[i].kind == pattern_kind::rest) {
          after_rest = true;
          continue;
        }
        const auto index = after_rest ? "-" + std::to_string(p.subs.size() - i) : std::to_string(i);
        const auto element = make_element(p_, value, t_.literal(index));
        if (p_.is_account(element)) out_.introduces = true;
        bind(p.subs[i], element);
      }
      return;
    }
    case pattern_kind::either:
      for (const auto& s : p.subs) bind(s, value);
      return;
    default: return;
  }
}

void interpreter::merge(const environment& before, const std::vector<environment>& branches) {
  env_ = before;
  for (std::size_t i = 0; i < env_.size(); ++i) {
    term_id value = no_term;
    for (const auto& b : branches)
      if (i < b.size()) value = t_.phi(value, b[i].second);
    if (!branches.empty()) env_[i].second = value;
  }
}

// A condition taken apart: what is known on this branch from here on.
void interpreter::assume(term_id condition, bool holds, proof by, const span& at) {
  if (condition == no_term) return;
  const term c = t_[condition];
  const auto add = [&](term_id a, bool negated, bool weak) {
    event& e = emit(ek::check, nullptr, a);
    e.negated = negated;
    e.weak = weak;
    e.by = by;
    e.where = at;
  };
  switch (c.kind) {
    case tk::negation: assume(c.args[0], !holds, by, at); return;
    case tk::both:
    case tk::either: {
      const bool all = (c.kind == tk::both) == holds;
      const auto first = out_.events.size();
      for (const auto a : c.args) assume(a, holds, by, at);
      if (!all)
        for (auto i = first; i < out_.events.size(); ++i) out_.events[i].weak = true;
      return;
    }
    case tk::cmp: add(holds ? condition : t_.make(tk::cmp, flipped(c.text), c.args), false, false); return;
    case tk::phi: {
      const auto first = out_.events.size();
      for (const auto a : c.args) assume(a, holds, by, at);
      for (auto i = first; i < out_.events.size(); ++i) out_.events[i].weak = true;
      return;
    }
    case tk::literal: return;
    default: add(condition, !holds, false); return;
  }
}

term_id interpreter::eval(const node* n) {
  if (n == nullptr) return no_term;
  struct guard {
    unsigned& d;
    explicit guard(unsigned& x) : d(++x) {}
    ~guard() { --d; }
  } g(depth_);
  if (depth_ > limits_.depth) {
    out_.capped = true;
    return no_term;
  }
  switch (n->kind) {
    case node_kind::path: return eval_path(n);
    case node_kind::literal: return t_.literal(n->text);
    case node_kind::field: return eval_field(n);
    case node_kind::call: return eval_call(n);
    case node_kind::method: return eval_method(n);
    case node_kind::macro: return eval_macro(n);
    case node_kind::unary: {
      if (n->kids.empty()) return no_term;
      const auto value = eval(n->kids[0]);
      if (n->text == "!") return t_.make(tk::negation, {}, {value});
      if (n->text == "-") return t_.make(tk::arith, "neg", {value});
      return value;
    }
    case node_kind::reference: return n->kids.empty() ? no_term : eval(n->kids[0]);
    case node_kind::cast: {
      const auto value = eval(n->kids[0]);
      const auto kind = t_[value].kind;
      if (kind == tk::literal || kind == tk::key || kind == tk::constant) return value;
      const std::string_view to = n->type != nullptr ? n->type->name : std::string_view("_");
      return t_.make(tk::call, std::string("as ") + std::string(to), {value});
    }
    case node_kind::binary: return eval_binary(n);
    case node_kind::assign: return eval_assign(n);
    case node_kind::index: return eval_index(n);
    case node_kind::try_: return eval_try(n);
    case node_kind::block: return eval_block(n);
    case node_kind::if_: return eval_if(n);
    case node_kind::let_cond: {
      const auto value = eval(n->kids[0]);
      if (!n->pats.empty()) bind(n->pats[0], value);
      return t_.make(tk::call, "let", {value});
    }
    case node_kind::match: return eval_match(n);
    case node_kind::while_: return eval_loop(n, n->kids[0], n->kids[1]);
    case node_kind::loop: return n->kids.empty() ? no_term : eval_loop(n, nullptr, n->kids[0]);
    case node_kind::for_: return eval_loop(n, nullptr, n->kids[1]);
    case node_kind::return_: {
      const auto* outer = std::exchange(hint_, function_ >= 0 ? program::strip(&ref_.item->ret) : nullptr);
      const auto value = n->kids.empty() ? no_term : eval(n->kids[0]);
      hint_ = outer;
      if (t_[value].text != "Err") out_.value = t_.phi(out_.value, value);
      diverges_ = true;
      return no_term;
    }
    case node_kind::break_:
    case node_kind::continue_:
      for (const auto* k : n->kids) eval(k);
      diverges_ = true;
      return no_term;
    case node_kind::closure: {
      const auto outer = std::exchange(path_, new_branch(path_));
      eval_closure(n, no_term);
      path_ = outer;
      return no_term;
    }
    case node_kind::struct_lit: return eval_struct(n);
    case node_kind::tuple:
    case node_kind::array: return eval_list(n, 0);
    case node_kind::let_: return eval_let(n);
    case node_kind::field_init: return n->kids.empty() ? no_term : eval(n->kids[0]);
    default: return t_.unknown(eval_all(n, 0));
  }
}

term_id interpreter::eval_field(const node* n) {
  const auto value = make_field(p_, eval(n->kids[0]), n->text);
  const term v = t_[value];
  // Reads of what other programs change: when they happen matters.
  if (v.kind == tk::field && t_[v.args[0]].kind == tk::parsed && !p_.names.has_type(t_[v.args[0]].text) &&
      t_[v.args[0]].args[0] != no_term && !p_.inner_type(t_[v.args[0]].args[0]).empty())
    emit(ek::read, n, t_[v.args[0]].args[0]).text = v.text;
  return value;
}

std::vector<term_id> interpreter::eval_all(const node* n, std::size_t first) {
  std::vector<term_id> out;
  for (std::size_t i = first; i < n->kids.size(); ++i) out.push_back(eval(n->kids[i]));
  return out;
}

term_id interpreter::eval_list(const node* n, std::size_t first) {
  auto items = eval_all(n, first);
  if (items.size() > 64) return t_.unknown(std::move(items));
  return t_.make(tk::list, {}, std::move(items));
}

term_id interpreter::eval_path(const node* n) {
  if (n->text.find("::") == std::string_view::npos) {
    if (term_id* v = lookup(n->text)) return *v;
    const bool lower = !n->text.empty() && n->text[0] >= 'a' && n->text[0] <= 'z';
    if (lower) return no_term;
  }
  if (ref_.file == nullptr) return t_.constant(n->text);
  std::string full = p_.names.expand(n->text, *ref_.file);
  if (full.starts_with("self::")) full = full.substr(6);
  if (full == "ID" || full == "crate::ID" || full == "crate::id") full = "crate::ID";
  return t_.constant(full);
}

term_id interpreter::eval_block(const node* n) {
  const auto size = env_.size();
  const auto* outer = hint_;
  term_id value = no_term;
  for (std::size_t i = 0; i < n->kids.size(); ++i) {
    const bool last = i + 1 == n->kids.size() && n->flag;
    hint_ = last ? outer : nullptr;
    const auto v = eval(n->kids[i]);
    if (last) value = v;
    if (!last && n->kids[i]->kind == node_kind::method && t_[v].kind == tk::call && t_[v].num != 0)
      emit(ek::ignored, n->kids[i], v).text = t_[v].text;
    if (diverges_) break;  // the rest is never reached
  }
  hint_ = outer;
  if (env_.size() > size) env_.resize(size);
  return diverges_ ? no_term : value;
}

term_id interpreter::eval_if(const node* n) {
  const auto outer_path = path_;
  const auto before = env_;
  const auto condition = eval(n->kids[0]);
  const auto after_condition = env_;
  const span at = where(n->kids[0]);
  std::vector<environment> ends;

  const auto then_path = path_ = new_branch(outer_path);
  out_.branches[then_path].by = way::chosen;
  assume(condition, true, proof::code, at);
  diverges_ = false;
  auto then_value = eval(n->kids[1]);
  const bool then_diverges = diverges_ || t_[then_value].text == "Err";
  if (!diverges_) ends.push_back(env_);

  env_ = after_condition;
  term_id else_value = no_term;
  bool else_diverges = false;
  diverges_ = false;
  if (n->kids.size() > 2) {
    path_ = new_branch(outer_path);
    const auto else_path = path_;
    out_.branches[else_path].by = then_diverges ? way::only : way::chosen;
    assume(condition, false, proof::code, at);
    else_value = eval(n->kids[2]);
    else_diverges = diverges_ || t_[else_value].text == "Err";
    if (else_diverges) out_.branches[then_path].by = way::only;
    if (!diverges_) ends.push_back(env_);
  } else {
    ends.push_back(env_);
  }
  path_ = outer_path;
  for (auto& e : ends)
    if (e.size() > before.size()) e.resize(before.size());
  merge(before, ends);
  diverges_ = ends.empty();
  if (diverges_) return no_term;
  // What the surviving branch knows holds from here on. A tail `Err(...)` ends the function only where it is
  // its value; elsewhere it is propagated or it would be a type error.
  if (then_diverges && !else_diverges) {
    assume(condition, false, proof::code, at);
    return else_value;
  }
  if (else_diverges && !then_diverges) {
    assume(condition, true, proof::code, at);
    return then_value;
  }
  return t_.phi(then_value, else_value);
}

term_id interpreter::eval_match(const node* n) {
  const auto outer_path = path_;
  const auto scrutinee = eval(n->kids[0]);
  const auto before = env_;
  std::vector<environment> ends;
  term_id value = no_term, only_pattern = no_term;
  unsigned surviving = 0;
  for (std::size_t i = 1; i < n->kids.size(); ++i) {
    const node* arm = n->kids[i];
    env_ = before;
    path_ = new_branch(outer_path);
    diverges_ = false;
    term_id fact = no_term;
    if (!arm->pats.empty()) {
      const auto& p = arm->pats[0];
      bind(p, scrutinee);
      if ((p.kind == pattern_kind::path || p.kind == pattern_kind::tuple_struct ||
           p.kind == pattern_kind::structure) &&
          p.text != "Some" && p.text != "Ok" && p.text != "Err")
        fact = make_cmp(p_, "==", scrutinee, t_.constant(p.text));
      if (fact != no_term) assume(fact, true, proof::code, {where(arm).file, p.begin, p.end});
      if (p.kind == pattern_kind::tuple_struct && p.text == "Err") fact = no_term;
    }
    if (arm->kids.size() > 1) assume(eval(arm->kids[1]), true, proof::code, where(arm->kids[1]));
    const auto v = eval(arm->kids[0]);
    const bool fails = diverges_ || t_[v].text == "Err";
    if (!diverges_) {
      env_.resize(std::min(env_.size(), before.size()));
      ends.push_back(env_);
      if (!fails) value = t_.phi(value, v);
    }
    if (!fails) {
      ++surviving;
      only_pattern = fact;
    }
  }
  path_ = outer_path;
  merge(before, ends);
  diverges_ = ends.empty() && n->kids.size() > 1;
  if (surviving == 1 && only_pattern != no_term) assume(only_pattern, true, proof::code, where(n->kids[0]));
  return value;
}

term_id interpreter::eval_loop(const node* n, const node* condition, const node* body) {
  const auto outer_path = path_;
  const auto before = env_;
  term_id iterated = no_term;
  if (n->kind == node_kind::for_) iterated = eval(n->kids[0]);
  path_ = new_branch(outer_path);
  if (n->kind == node_kind::for_ && !n->pats.empty()) {
    const auto& p = n->pats[0];
    const auto each = make_element(p_, iterated, t_.literal("each"));
    bind(p, p.kind == pattern_kind::tuple ? t_.make(tk::list, {}, {no_term, each}) : each);
  }
  if (condition != nullptr) assume(eval(condition), true, proof::code, where(condition));
  eval(body);
  diverges_ = false;
  path_ = outer_path;
  environment after = env_;
  after.resize(std::min(after.size(), before.size()));
  merge(before, {before, after});
  return no_term;
}

term_id interpreter::eval_binary(const node* n) {
  const auto op = n->text;
  const auto a = eval(n->kids[0]);
  const auto b = eval(n->kids[1]);
  if (op == "&&") return t_.make(tk::both, {}, {a, b});
  if (op == "||") return t_.make(tk::either, {}, {a, b});
  if (op == "==" || op == "!=" || op == "<" || op == ">" || op == "<=" || op == ">=")
    return make_cmp(p_, op, a, b);
  event& e = emit(ek::arith, n, a);
  e.b = b;
  e.text = op;
  return t_.make(tk::arith, op, {a, b});
}

term_id interpreter::eval_try(const node* n) {
  if (n->kids.empty()) return no_term;
  const node* inner = n->kids[0];
  const auto value = eval(inner);
  const auto kind = t_[value].kind;
  if (t_[value].text == "Err") {
    diverges_ = true;
    return no_term;
  }
  // acc.is_signer()?: the checking accessors of native frameworks answer with a Result.
  if (kind == tk::signer_flag || kind == tk::writable_flag || kind == tk::cmp || kind == tk::both)
    assume(value, true, proof::code, where(n));
  if (kind == tk::signer_flag || kind == tk::writable_flag) return t_[value].args[0];
  return value;
}

term_id interpreter::eval_let(const node* n) {
  const auto* outer = std::exchange(hint_, program::strip(n->type));
  const auto value = n->kids.empty() ? no_term : eval(n->kids[0]);
  hint_ = outer;
  if (n->kids.size() > 1) {
    const auto outer_path = path_;
    path_ = new_branch(path_);
    const bool before = diverges_;
    eval(n->kids[1]);
    diverges_ = before;
    path_ = outer_path;
  }
  if (!n->pats.empty()) bind(n->pats[0], value);
  return no_term;
}

term_id interpreter::eval_index(const node* n) {
  if (n->kids.size() < 2) return no_term;
  const auto base = eval(n->kids[0]);
  const auto index = eval(n->kids[1]);
  if (n->kids[1]->kind == node_kind::range) return t_[base].kind == tk::list ? base : base;
  const auto out = make_element(p_, base, index);
  if (p_.is_account(out)) out_.introduces = true;
  return out;
}

term_id interpreter::eval_closure(const node* n, term_id argument) {
  const auto size = env_.size();
  for (std::size_t i = 0; i < n->pats.size(); ++i) bind(n->pats[i], i == 0 ? argument : no_term);
  const bool before = diverges_;
  const auto value = n->kids.empty() ? no_term : eval(n->kids[0]);
  diverges_ = before;
  env_.resize(std::min(env_.size(), size));
  return value;
}

std::string_view interpreter::type_name(std::string_view name) const {
  return name == "Self" && function_ >= 0 ? ref_.item->impl_type : name;
}

term_id interpreter::eval_struct(const node* n) {
  std::vector<term_id> args;
  for (const auto* k : n->kids) {
    if (k->kids.empty()) continue;
    args.push_back(t_.constant(k->text.empty() ? std::string_view("..") : k->text));
    args.push_back(eval(k->kids[0]));
  }
  const auto name = type_name(last_segment(n->text));
  return t_.make(tk::aggregate, name, std::move(args), 0, p_.named_type(name));
}

term_id interpreter::root_param(term_id target) const {
  while (t_[target].kind == tk::field) target = t_[target].args[0];
  return t_[target].kind == tk::param ? target : no_term;
}

// state.tick = x on a struct that was built here changes the variable, not what it was built from.
bool interpreter::assign_local_field(const node* left, term_id value) {
  if (left->kind != node_kind::field || left->kids[0]->kind != node_kind::path) return false;
  term_id* v = lookup(left->kids[0]->text);
  if (v == nullptr) return false;
  const auto change = [&](term_id id) {
    const term x = t_[id];
    if (x.kind != tk::aggregate) return id;
    auto args = x.args;
    for (std::size_t i = 0; i + 1 < args.size(); i += 2)
      if (t_[args[i]].text == left->text) args[i + 1] = value;
    return t_.make(tk::aggregate, x.text, std::move(args), x.num, x.type);
  };
  const term old = t_[*v];
  if (old.kind == tk::aggregate) {
    *v = change(*v);
    return true;
  }
  const bool built = old.kind == tk::phi && std::all_of(old.args.begin(), old.args.end(), [&](term_id a) {
                       return t_[a].kind == tk::aggregate;
                     });
  if (!built) return false;
  term_id merged = no_term;
  for (const auto a : old.args) merged = t_.phi(merged, change(a));
  *v = merged;
  return true;
}

term_id interpreter::eval_assign(const node* n) {
  const node* left = n->kids[0];
  const auto value = eval(n->kids[1]);
  const bool plain = n->text == "=";
  if (left->kind == node_kind::path) {
    if (term_id* v = lookup(left->text)) {
      if (!plain) {
        event& e = emit(ek::arith, n, *v);
        e.b = value;
        e.text = n->text;
        v = lookup(left->text);
      }
      *v = plain ? value : t_.make(tk::arith, n->text, {*v, value});
    }
    return no_term;
  }
  const auto target = eval(left);
  if (assign_local_field(left, plain ? value : t_.make(tk::arith, n->text, {target, value}))) return no_term;
  if (!plain) {
    event& e = emit(ek::arith, n, target);
    e.b = value;
    e.text = n->text;
  }
  auto account = p_.account_below(target);
  const auto kind = t_[target].kind;
  // self.owner = x in a method of a state: the caller knows whose state it is.
  if (account == no_term && kind == tk::field) account = root_param(target);
  if (account == no_term) return no_term;
  event& e = emit(kind == tk::lamports ? ek::lamports : ek::write, n, account);
  e.b = value;
  e.text = kind == tk::lamports ? n->text : kind == tk::field ? t_[target].text : std::string_view("*");
  return no_term;
}

}  // namespace osvm::audit
