#include "lower.hpp"

namespace osvm::audit {
namespace {

std::string_view last_segment(std::string_view path) {
  const auto colon = path.rfind("::");
  return colon == std::string_view::npos ? path : path.substr(colon + 2);
}

}  // namespace

const type_ref* lowering::kept_type(const child* c) {
  return c != nullptr ? file_.nodes.keep(type(c->n)) : nullptr;
}

type_ref lowering::type(TSNode n) {
  type_ref out;
  depth_guard guard(*this);
  if (!guard.ok()) return out;
  switch (kind_of(n)) {
    case rs::generic_type:
    case rs::generic_type_with_turbofish: {
      children c(*this, n);
      if (const child* base = c.find(fld::type)) {
        type_ref inner = type(base->n);
        out.name = inner.name;
        out.path = inner.path;
      }
      if (const child* arguments = c.find(fld::type_arguments)) out.args = type(arguments->n).args;
      return out;
    }
    case rs::type_arguments: {
      children c(*this, n);
      for (std::size_t i = 0; i < c.size(); ++i)
        if (c[i].named && c[i].kind != rs::lifetime && c[i].kind != rs::line_comment)
          out.args.push_back(type(c[i].n));
      return out;
    }
    case rs::reference_type:
    case rs::pointer_type: {
      children c(*this, n);
      if (const child* inner = c.find(fld::type)) out = type(inner->n);
      out.reference = true;
      out.mutable_reference = c.find(rs::mutable_specifier) != nullptr;
      return out;
    }
    case rs::array_type: {
      children c(*this, n);
      out.slice = true;
      if (const child* inner = c.find(fld::element)) out.args.push_back(type(inner->n));
      if (!out.args.empty()) out.name = "[]";
      if (const child* length = c.find(fld::length)) out.length = text(length->n);
      return out;
    }
    case rs::tuple_type: {
      children c(*this, n);
      out.tuple = true;
      for (std::size_t i = 0; i < c.size(); ++i)
        if (c[i].named && c[i].kind != rs::line_comment) out.args.push_back(type(c[i].n));
      return out;
    }
    case rs::bracketed_type: {
      children c(*this, n);
      for (std::size_t i = 0; i < c.size(); ++i)
        if (c[i].named) {
          children q(*this, c[i].n);  // <T as Trait>
          if (const child* inner = q.find(fld::type); inner != nullptr && q.find(fld::alias) != nullptr)
            return type(inner->n);
          return type(c[i].n);
        }
      return out;
    }
    case rs::dynamic_type:
    case rs::abstract_type: {
      children c(*this, n);
      if (const child* inner = c.find(fld::trait)) out = type(inner->n);
      return out;
    }
    default: {
      out.path = text(n);
      if (const auto angle = out.path.find('<'); angle != std::string_view::npos && angle > 0)
        out.path = out.path.substr(0, angle);
      out.name = last_segment(out.path);
      return out;
    }
  }
}

pattern lowering::pat(TSNode n) {
  pattern out;
  out.begin = begin(n);
  out.end = end(n);
  depth_guard guard(*this);
  if (!guard.ok()) return out;
  const auto subs = [&](bool skip_type) {
    children c(*this, n);
    for (std::size_t i = 0; i < c.size(); ++i) {
      if (skip_type && c[i].field == fld::type) continue;
      if (c[i].kind == rs::mutable_specifier || c[i].kind == rs::line_comment ||
          c[i].kind == rs::block_comment)
        continue;
      if (!c[i].named && text(c[i].n) != "_") continue;
      out.subs.push_back(pat(c[i].n));
    }
  };
  switch (kind_of(n)) {
    case rs::identifier:
    case rs::shorthand_field_identifier:
    case rs::self:
      out.kind = pattern_kind::bind;
      out.text = text(n);
      // An upper-case name is a constant or a unit variant.
      if (!out.text.empty() && out.text.front() >= 'A' && out.text.front() <= 'Z')
        out.kind = pattern_kind::path;
      return out;
    case rs::mut_pattern:
    case rs::ref_pattern:
    case rs::reference_pattern: {
      subs(false);
      if (out.subs.empty()) return out;
      pattern inner = out.subs.front();
      return inner;
    }
    case rs::captured_pattern: {
      subs(false);
      if (out.subs.empty()) return out;
      pattern inner = out.subs.front();
      return inner;
    }
    case rs::tuple_pattern:
      out.kind = pattern_kind::tuple;
      subs(false);
      return out;
    case rs::slice_pattern:
      out.kind = pattern_kind::slice;
      subs(false);
      return out;
    case rs::or_pattern:
      out.kind = pattern_kind::either;
      subs(false);
      return out;
    case rs::remaining_field_pattern: out.kind = pattern_kind::rest; return out;
    case rs::tuple_struct_pattern: {
      out.kind = pattern_kind::tuple_struct;
      {
        children c(*this, n);
        if (const child* t = c.find(fld::type)) out.text = text(t->n);
      }
      subs(true);
      return out;
    }
    case rs::struct_pattern: {
      out.kind = pattern_kind::structure;
      children c(*this, n);
      if (const child* t = c.find(fld::type)) out.text = text(t->n);
      for (std::size_t i = 0; i < c.size(); ++i) {
        if (c[i].kind != rs::field_pattern) continue;
        children f(*this, c[i].n);
        const child* name = f.find(fld::name);
        if (name == nullptr) continue;
        const auto field = text(name->n);
        pattern sub;
        if (const child* p = f.find(fld::pattern)) {
          sub = pat(p->n);
        } else {
          sub.kind = pattern_kind::bind;
          sub.text = field;
          sub.begin = begin(c[i].n);
          sub.end = end(c[i].n);
        }
        sub.field_name = field;
        out.subs.push_back(std::move(sub));
      }
      return out;
    }
    case rs::scoped_identifier:
      out.kind = pattern_kind::path;
      out.text = text(n);
      return out;
    case rs::integer_literal:
    case rs::boolean_literal:
    case rs::string_literal:
    case rs::char_literal:
    case rs::negative_literal:
    case rs::range_pattern:
      out.kind = pattern_kind::path;
      out.text = text(n);
      return out;
    default: return out;
  }
}

}  // namespace osvm::audit
