#include "lower.hpp"

namespace osvm::audit {

node* lowering::expr_of(const children& c, fld f) {
  const child* found = c.find(f);
  return found != nullptr ? expr(found->n) : nullptr;
}

node* lowering::all_kids(node_kind k, TSNode n) {
  node* out = make(k, n);
  std::vector<node*> kids;
  children c(*this, n);
  for (std::size_t i = 0; i < c.size(); ++i) {
    const auto kind = c[i].kind;
    if (!c[i].named || kind == rs::attribute_item || kind == rs::line_comment || kind == rs::block_comment ||
        kind == rs::mutable_specifier || kind == rs::label)
      continue;
    if (node* kid = expr(c[i].n)) kids.push_back(kid);
  }
  out->kids = file_.nodes.list(kids);
  return out;
}

// Path without generic arguments, viewed in the text where it has none.
std::string_view lowering::path_text(TSNode n) {
  const auto whole = text(n);
  if (whole.find('<') == std::string_view::npos) return whole;
  if (whole.front() ==
      '<') {  // <T as Trait>::f, <T>::f: the last segment with T before it, where T is simple
    const auto close = whole.rfind(">::");
    return close == std::string_view::npos ? whole : whole.substr(1);
  }
  return whole;
}

node* lowering::path_expr(TSNode n) {
  node* out = make(node_kind::path, n);
  out->text = path_text(n);
  if (out->text.find('<') != std::string_view::npos) {  // Account::<Mint>::f or <Mint as Pack>::f
    children c(*this, n);
    if (const child* path = c.find(fld::path)) {
      const auto k = path->kind;
      if (k == rs::generic_type || k == rs::bracketed_type || k == rs::generic_type_with_turbofish)
        out->type = file_.nodes.keep(type(path->n));
    }
  }
  return out;
}

node* lowering::call(TSNode n) {
  children c(*this, n);
  const child* callee = c.find(fld::function);
  if (callee == nullptr) return all_kids(node_kind::unknown, n);
  TSNode function = callee->n;
  rs kind = callee->kind;
  const type_ref* turbofish = nullptr;
  if (kind == rs::generic_function) {
    children g(*this, function);
    if (const child* arguments = g.find(fld::type_arguments)) {
      type_ref all = type(arguments->n);
      if (!all.args.empty()) turbofish = file_.nodes.keep(all.args.front());
    }
    const child* inner = g.find(fld::function);
    if (inner == nullptr) return all_kids(node_kind::unknown, n);
    kind = inner->kind;
    function = inner->n;
  }
  std::vector<node*> kids;
  node* out = nullptr;
  if (kind == rs::field_expression) {
    out = make(node_kind::method, n);
    children f(*this, function);
    if (const child* name = f.find(fld::field)) {
      out->text = text(name->n);
    }
    node* receiver = expr_of(f, fld::value);
    kids.push_back(receiver != nullptr ? receiver : make(node_kind::unknown, function));
  } else {
    out = make(node_kind::call, n);
    kids.push_back(expr(function));
  }
  out->type = turbofish;
  if (const child* arguments = c.find(fld::arguments)) {
    children a(*this, arguments->n);
    for (std::size_t i = 0; i < a.size(); ++i)
      if (a[i].named && a[i].kind != rs::line_comment && a[i].kind != rs::block_comment &&
          a[i].kind != rs::attribute_item)
        if (node* kid = expr(a[i].n)) kids.push_back(kid);
  }
  out->kids = file_.nodes.list(kids);
  return out;
}

node* lowering::binary(TSNode n, node_kind k) {
  node* out = make(k, n);
  children c(*this, n);
  const child* op = c.find(fld::operator_);
  out->text = op != nullptr ? text(op->n) : std::string_view("=");
  node* left = expr_of(c, fld::left);
  node* right = expr_of(c, fld::right);
  if (left == nullptr || right == nullptr) {
    out->kind = node_kind::unknown;
    out->kids = file_.nodes.list(left != nullptr ? left : right);
    if (left == nullptr && right == nullptr) out->kids = {};
    return out;
  }
  out->kids = file_.nodes.list({left, right});
  return out;
}

node* lowering::one_kid(node_kind k, TSNode n) {
  node* out = all_kids(k, n);
  if (out->kids.size() > 1) out->kids = out->kids.last(1);
  return out;
}

void lowering::statement(TSNode n, std::vector<node*>& out, bool& value) {
  const rs k = kind_of(n);
  switch (k) {
    case rs::line_comment:
    case rs::block_comment:
    case rs::empty_statement:
    case rs::attribute_item:
    case rs::inner_attribute_item:
    case rs::label: return;
    case rs::use_declaration:
    case rs::const_item:
    case rs::function_item:
    case rs::struct_item:
    case rs::enum_item:
    case rs::impl_item:
    case rs::static_item:
    case rs::type_item:
    case rs::macro_definition: {
      scope s;
      s.module = "fn";
      std::vector<attribute> none;
      item({n, k, fld::none, true}, s, none, {});
      return;
    }
    case rs::let_declaration:
      out.push_back(let_decl(n));
      value = false;
      return;
    case rs::expression_statement: {
      children c(*this, n);
      bool semicolon = false;
      for (std::size_t i = 0; i < c.size(); ++i)
        if (!c[i].named) semicolon = true;
      for (std::size_t i = 0; i < c.size(); ++i) {
        if (!c[i].named || c[i].kind == rs::line_comment || c[i].kind == rs::block_comment) continue;
        if (node* e = expr(c[i].n)) out.push_back(e);
        break;
      }
      value = !semicolon;
      return;
    }
    default:
      if (node* e = expr(n)) out.push_back(e);
      value = true;
      return;
  }
}

node* lowering::block(TSNode n) {
  node* out = make(node_kind::block, n);
  std::vector<node*> kids;
  bool value = false;
  children c(*this, n);
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (!c[i].named) continue;
    if (c[i].kind == rs::block && c.size() <= 3 && kind_of(n) != rs::block)
      return block(c[i].n);  // unsafe {}
    statement(c[i].n, kids, value);
  }
  out->kids = file_.nodes.list(kids);
  out->flag = value && !kids.empty();
  return out;
}

node* lowering::if_expr(TSNode n) {
  node* out = make(node_kind::if_, n);
  std::vector<node*> kids;
  children c(*this, n);
  node* condition = expr_of(c, fld::condition);
  node* then = expr_of(c, fld::consequence);
  if (condition == nullptr || then == nullptr) return all_kids(node_kind::unknown, n);
  kids = {condition, then};
  if (const child* other = c.find(fld::alternative)) {
    children e(*this, other->n);
    for (std::size_t i = 0; i < e.size(); ++i)
      if (e[i].kind == rs::block || e[i].kind == rs::if_expression) {
        kids.push_back(expr(e[i].n));
        break;
      }
  }
  out->kids = file_.nodes.list(kids);
  return out;
}

node* lowering::match_arm(TSNode n) {
  node* out = make(node_kind::arm, n);
  std::vector<node*> kids;
  std::vector<pattern> pats;
  children c(*this, n);
  node* guard = nullptr;
  if (const child* p = c.find(fld::pattern)) {
    children m(*this, p->n);
    bool seen = false;
    for (std::size_t i = 0; i < m.size(); ++i) {
      if (m[i].field == fld::condition) {
        guard = expr(m[i].n);
      } else if (!seen && (m[i].named || text(m[i].n) == "_")) {
        pats.push_back(pat(m[i].n));
        seen = true;
      }
    }
  }
  node* body = expr_of(c, fld::value);
  kids.push_back(body != nullptr ? body : make(node_kind::unknown, n));
  if (guard != nullptr) kids.push_back(guard);
  out->pats = file_.nodes.keep(std::move(pats));
  out->kids = file_.nodes.list(kids);
  return out;
}

node* lowering::match_expr(TSNode n) {
  node* out = make(node_kind::match, n);
  std::vector<node*> kids;
  children c(*this, n);
  node* value = expr_of(c, fld::value);
  kids.push_back(value != nullptr ? value : make(node_kind::unknown, n));
  if (const child* body = c.find(fld::body)) {
    children arms(*this, body->n);
    for (std::size_t i = 0; i < arms.size(); ++i)
      if (arms[i].kind == rs::match_arm) kids.push_back(match_arm(arms[i].n));
  }
  out->kids = file_.nodes.list(kids);
  return out;
}

node* lowering::closure(TSNode n) {
  node* out = make(node_kind::closure, n);
  children c(*this, n);
  std::vector<pattern> pats;
  if (const child* parameters = c.find(fld::parameters)) {
    children p(*this, parameters->n);
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (!p[i].named) continue;
      if (p[i].kind == rs::parameter) {
        children inner(*this, p[i].n);
        if (const child* x = inner.find(fld::pattern)) pats.push_back(pat(x->n));
      } else {
        pats.push_back(pat(p[i].n));
      }
    }
  }
  out->pats = file_.nodes.keep(std::move(pats));
  if (node* body = expr_of(c, fld::body)) out->kids = file_.nodes.list(body);
  return out;
}

node* lowering::struct_lit(TSNode n) {
  node* out = make(node_kind::struct_lit, n);
  children c(*this, n);
  if (const child* name = c.find(fld::name)) {
    const type_ref t = type(name->n);
    out->text = t.path;
  }
  std::vector<node*> kids;
  if (const child* body = c.find(fld::body)) {
    children f(*this, body->n);
    for (std::size_t i = 0; i < f.size(); ++i) {
      const auto k = f[i].kind;
      if (k != rs::field_initializer && k != rs::shorthand_field_initializer &&
          k != rs::base_field_initializer)
        continue;
      node* init = make(node_kind::field_init, f[i].n);
      children parts(*this, f[i].n);
      node* value = nullptr;
      if (k == rs::field_initializer) {
        if (const child* name = parts.find(fld::field)) init->text = text(name->n);
        value = expr_of(parts, fld::value);
      } else {
        for (std::size_t j = 0; j < parts.size(); ++j)
          if (parts[j].named && parts[j].kind != rs::attribute_item) value = expr(parts[j].n);
        if (k == rs::shorthand_field_initializer && value != nullptr) init->text = value->text;
      }
      if (value != nullptr) init->kids = file_.nodes.list(value);
      if (value != nullptr) kids.push_back(init);
    }
  }
  out->kids = file_.nodes.list(kids);
  return out;
}

node* lowering::let_decl(TSNode n) {
  node* out = make(node_kind::let_, n);
  children c(*this, n);
  std::vector<pattern> pats;
  if (const child* p = c.find(fld::pattern)) pats.push_back(pat(p->n));
  out->pats = file_.nodes.keep(std::move(pats));
  out->type = kept_type(c.find(fld::type));
  std::vector<node*> kids;
  if (node* value = expr_of(c, fld::value)) {
    kids.push_back(value);
    if (node* other = expr_of(c, fld::alternative)) kids.push_back(other);
  }
  out->kids = file_.nodes.list(kids);
  return out;
}

node* lowering::for_expr(TSNode n) {
  node* out = make(node_kind::for_, n);
  children c(*this, n);
  std::vector<pattern> pats;
  if (const child* p = c.find(fld::pattern)) pats.push_back(pat(p->n));
  out->pats = file_.nodes.keep(std::move(pats));
  node* value = expr_of(c, fld::value);
  node* body = expr_of(c, fld::body);
  if (value == nullptr || body == nullptr) return all_kids(node_kind::unknown, n);
  out->kids = file_.nodes.list({value, body});
  return out;
}

node* lowering::array_expr(TSNode n) {
  node* out = all_kids(node_kind::array, n);
  children c(*this, n);
  out->flag = c.find(fld::length) != nullptr;
  return out;
}

node* lowering::expr(TSNode n) {
  depth_guard guard(*this);
  if (!guard.ok()) return make(node_kind::unknown, n);
  const rs k = kind_of(n);
  switch (k) {
    case rs::identifier:
    case rs::self:
    case rs::crate:
    case rs::super:
    case rs::metavariable:
    case rs::type_identifier:
    case rs::field_identifier: {
      node* out = make(node_kind::path, n);
      out->text = text(n);
      return out;
    }
    case rs::scoped_identifier: return path_expr(n);
    case rs::generic_function: {
      children c(*this, n);
      node* out = expr_of(c, fld::function);
      if (out != nullptr && out->type == nullptr)
        if (const child* a = c.find(fld::type_arguments)) {
          type_ref all = type(a->n);
          if (!all.args.empty()) out->type = file_.nodes.keep(all.args.front());
        }
      return out;
    }
    case rs::field_expression: {
      node* out = make(node_kind::field, n);
      children c(*this, n);
      if (const child* f = c.find(fld::field)) out->text = text(f->n);
      node* base = expr_of(c, fld::value);
      out->kids = file_.nodes.list(base != nullptr ? base : make(node_kind::unknown, n));
      return out;
    }
    case rs::call_expression: return call(n);
    case rs::macro_invocation: return macro_expr(n);
    case rs::unary_expression: {
      node* out = one_kid(node_kind::unary, n);
      out->text = text(out->begin, out->begin + 1);
      return out;
    }
    case rs::reference_expression: {
      node* out = one_kid(node_kind::reference, n);
      children c(*this, n);
      out->flag = c.find(rs::mutable_specifier) != nullptr;
      return out;
    }
    case rs::binary_expression: return binary(n, node_kind::binary);
    case rs::assignment_expression:
    case rs::compound_assignment_expr: return binary(n, node_kind::assign);
    case rs::let_chain: {  // a && let b = c && d: a conjunction
      node* all = all_kids(node_kind::unknown, n);
      node* out = nullptr;
      for (node* kid : all->kids) {
        if (out == nullptr) {
          out = kid;
          continue;
        }
        node* both = make(node_kind::binary, n);
        both->text = "&&";
        both->kids = file_.nodes.list({out, kid});
        out = both;
      }
      return out != nullptr ? out : all;
    }
    case rs::index_expression: return all_kids(node_kind::index, n);
    case rs::try_expression: return one_kid(node_kind::try_, n);
    case rs::await_expression:
    case rs::parenthesized_expression: {
      node* inner = one_kid(node_kind::unknown, n);
      return inner->kids.empty() ? inner : inner->kids[0];
    }
    case rs::type_cast_expression: {
      node* out = make(node_kind::cast, n);
      children c(*this, n);
      out->type = kept_type(c.find(fld::type));
      node* value = expr_of(c, fld::value);
      out->kids = file_.nodes.list(value != nullptr ? value : make(node_kind::unknown, n));
      return out;
    }
    case rs::block:
    case rs::unsafe_block:
    case rs::async_block:
    case rs::const_block: return block(n);
    case rs::if_expression: return if_expr(n);
    case rs::let_condition: {
      node* out = make(node_kind::let_cond, n);
      children c(*this, n);
      std::vector<pattern> pats;
      if (const child* p = c.find(fld::pattern)) pats.push_back(pat(p->n));
      out->pats = file_.nodes.keep(std::move(pats));
      node* value = expr_of(c, fld::value);
      out->kids = file_.nodes.list(value != nullptr ? value : make(node_kind::unknown, n));
      return out;
    }
    case rs::match_expression: return match_expr(n);
    case rs::while_expression: {
      node* out = make(node_kind::while_, n);
      children c(*this, n);
      node* condition = expr_of(c, fld::condition);
      node* body = expr_of(c, fld::body);
      if (condition == nullptr || body == nullptr) return all_kids(node_kind::unknown, n);
      out->kids = file_.nodes.list({condition, body});
      return out;
    }
    case rs::loop_expression: return one_kid(node_kind::loop, n);
    case rs::for_expression: return for_expr(n);
    case rs::return_expression: return one_kid(node_kind::return_, n);
    case rs::break_expression: return one_kid(node_kind::break_, n);
    case rs::continue_expression: return make(node_kind::continue_, n);
    case rs::closure_expression: return closure(n);
    case rs::struct_expression: return struct_lit(n);
    case rs::tuple_expression: return all_kids(node_kind::tuple, n);
    case rs::unit_expression: return make(node_kind::tuple, n);
    case rs::array_expression: return array_expr(n);
    case rs::range_expression: return all_kids(node_kind::range, n);
    case rs::integer_literal:
    case rs::float_literal:
    case rs::string_literal:
    case rs::raw_string_literal:
    case rs::char_literal:
    case rs::boolean_literal:
    case rs::negative_literal: {
      node* out = make(node_kind::literal, n);
      out->text = text(n);
      return out;
    }
    case rs::let_declaration: return let_decl(n);
    case rs::expression_statement: {
      std::vector<node*> kids;
      bool value = false;
      statement(n, kids, value);
      return kids.empty() ? make(node_kind::unknown, n) : kids[0];
    }
    case rs::line_comment:
    case rs::block_comment:
    case rs::lifetime: return nullptr;
    default: return all_kids(node_kind::unknown, n);
  }
}

}  // namespace osvm::audit
