#include <algorithm>

#include "lower.hpp"

namespace osvm::audit {
namespace {

std::string joined(const std::string& a, std::string_view b) {
  if (a.empty()) return std::string(b);
  return a + "::" + std::string(b);
}

bool mentions_word(std::string_view text, std::string_view word) {
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const auto letter = [&](std::size_t i) {
      return i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) || text[i] == '_');
    };
    if (!letter(at + word.size()) && (at == 0 || !letter(at - 1))) return true;
  }
  return false;
}

}  // namespace

bool is_test_attribute(const std::vector<attribute>& attrs) {
  return std::any_of(attrs.begin(), attrs.end(), [](const attribute& a) {
    if (a.path == "test" || a.path == "bench" || a.path.ends_with("::test")) return true;
    return a.path == "cfg" && mentions_word(a.raw, "test") && !mentions_word(a.raw, "not");
  });
}

attribute lowering::attribute_of(TSNode n) {
  attribute out;
  out.begin = begin(n);
  out.end = end(n);
  children item(*this, n);
  const child* a = item.find(rs::attribute);
  if (a == nullptr) return out;
  out.raw = text(a->n);
  children c(*this, a->n);
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (c[i].kind == rs::token_tree) {
      out.args = token_tree(c[i].n);
    } else if (c[i].named && out.path.empty()) {
      out.path = text(c[i].n);
    } else if (c[i].field == fld::value) {
      if (node* value = expr(c[i].n)) out.args = file_.nodes.list(value);
    }
  }
  return out;
}

void lowering::items(TSNode list, const scope& s) {
  depth_guard guard(*this);
  if (!guard.ok()) return;
  children c(*this, list);
  std::vector<attribute> attrs;
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (!c[i].named || c[i].kind == rs::line_comment || c[i].kind == rs::block_comment) continue;
    if (c[i].kind == rs::attribute_item) {
      attrs.push_back(attribute_of(c[i].n));
      continue;
    }
    item(c[i], s, attrs, {});
    attrs.clear();
  }
}

void lowering::item(const child& c, const scope& s, std::vector<attribute>& attrs, std::string_view) {
  switch (c.kind) {
    case rs::function_item:
    case rs::function_signature_item: function(c.n, s, std::move(attrs)); return;
    case rs::struct_item:
    case rs::union_item: structure(c.n, s, std::move(attrs), false); return;
    case rs::enum_item: structure(c.n, s, std::move(attrs), true); return;
    case rs::impl_item:
    case rs::trait_item: impl(c.n, s); return;
    case rs::mod_item: module(c.n, s, attrs); return;
    case rs::use_declaration: {
      children u(*this, c.n);
      if (const child* argument = u.find(fld::argument)) use(argument->n, {}, s);
      return;
    }
    case rs::const_item:
    case rs::static_item: constant(c.n, s); return;
    case rs::macro_invocation: macro_item_of(c.n); return;
    case rs::expression_statement: {
      children e(*this, c.n);
      if (const child* m = e.find(rs::macro_invocation)) macro_item_of(m->n);
      return;
    }
    default: return;
  }
}

void lowering::macro_item_of(TSNode n) {
  const node* m = macro_expr(n);
  file_.macros.push_back({m->text, m->kids, m->begin, m->end});
}

void lowering::function(TSNode n, const scope& s, std::vector<attribute> attrs) {
  fn_item out;
  children c(*this, n);
  const child* name = c.find(fld::name);
  if (name == nullptr) return;
  out.name = text(name->n);
  out.impl_type = s.impl_type;
  out.impl_trait = s.impl_trait;
  out.module = s.module;
  out.in_program_mod = s.program;
  out.in_test = s.test || is_test_attribute(attrs);
  out.attrs = std::move(attrs);
  out.is_pub = c.find(rs::visibility_modifier) != nullptr;
  out.begin = begin(n);
  out.end = out.body_end = end(n);
  if (const child* parameters = c.find(fld::parameters)) {
    children p(*this, parameters->n);
    for (std::size_t i = 0; i < p.size(); ++i) {
      param_item param;
      if (p[i].kind == rs::self_parameter) {
        param.is_self = true;
        param.pat.kind = pattern_kind::bind;
        param.pat.text = "self";
        param.type.name = param.type.path = s.impl_type;
      } else if (p[i].kind == rs::parameter) {
        children parts(*this, p[i].n);
        if (const child* x = parts.find(fld::pattern)) param.pat = pat(x->n);
        if (const child* x = parts.find(fld::type)) param.type = type(x->n);
        if (param.pat.text == "self") param.is_self = true;
      } else {
        continue;
      }
      out.params.push_back(std::move(param));
    }
  }
  if (const child* r = c.find(fld::return_type)) {
    out.ret = type(r->n);
    out.end = end(r->n);
  }
  if (const child* body = c.find(fld::body)) {
    out.end = begin(body->n);
    if (!out.in_test) out.body = block(body->n);
  }
  file_.functions.push_back(std::move(out));
}

std::vector<field_item> lowering::fields(TSNode list) {
  std::vector<field_item> out;
  children c(*this, list);
  std::vector<attribute> attrs;
  std::string_view doc;
  std::uint32_t doc_begin = 0;
  for (std::size_t i = 0; i < c.size(); ++i) {
    const auto k = c[i].kind;
    if (k == rs::attribute_item) {
      attrs.push_back(attribute_of(c[i].n));
    } else if (k == rs::line_comment || k == rs::block_comment) {
      if (doc.empty()) doc_begin = begin(c[i].n);
      doc = text(doc_begin, end(c[i].n));
    } else if (k == rs::field_declaration) {
      field_item f;
      children parts(*this, c[i].n);
      if (const child* name = parts.find(fld::name)) f.name = text(name->n);
      if (const child* t = parts.find(fld::type)) f.type = type(t->n);
      f.attrs = std::move(attrs);
      attrs.clear();
      f.doc = doc;
      doc = {};
      f.begin = begin(c[i].n);
      f.end = end(c[i].n);
      out.push_back(std::move(f));
    } else if (c[i].field == fld::type) {  // tuple struct
      field_item f;
      static constexpr std::string_view numbers[] = {"0", "1", "2", "3", "4", "5", "6", "7"};
      if (out.size() < std::size(numbers)) f.name = numbers[out.size()];
      f.type = type(c[i].n);
      f.begin = begin(c[i].n);
      f.end = end(c[i].n);
      out.push_back(std::move(f));
    }
  }
  return out;
}

void lowering::variants(TSNode list, struct_item& out) {
  children c(*this, list);
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (c[i].kind != rs::enum_variant) continue;
    variant_item v;
    children parts(*this, c[i].n);
    if (const child* name = parts.find(fld::name)) v.name = text(name->n);
    if (const child* body = parts.find(fld::body)) v.fields = fields(body->n);
    out.variants.push_back(std::move(v));
  }
}

void lowering::structure(TSNode n, const scope& s, std::vector<attribute> attrs, bool is_enum) {
  struct_item out;
  children c(*this, n);
  const child* name = c.find(fld::name);
  if (name == nullptr) return;
  out.name = text(name->n);
  out.attrs = std::move(attrs);
  out.module = s.module;
  out.is_enum = is_enum;
  out.begin = begin(n);
  out.end = end(n);
  if (const child* body = c.find(fld::body)) {
    if (is_enum) {
      variants(body->n, out);
    } else {
      out.is_tuple = body->kind == rs::ordered_field_declaration_list;
      out.fields = fields(body->n);
    }
  }
  file_.structs.push_back(std::move(out));
}

void lowering::impl(TSNode n, const scope& s) {
  scope inner = s;
  children c(*this, n);
  if (const child* t = c.find(fld::type)) inner.impl_type = type(t->n).name;
  if (const child* t = c.find(fld::trait)) inner.impl_trait = type(t->n).name;
  if (const child* t = c.find(fld::name)) inner.impl_type = text(t->n);  // a trait with default methods
  if (const child* body = c.find(fld::body)) items(body->n, inner);
}

void lowering::module(TSNode n, const scope& s, const std::vector<attribute>& attrs) {
  children c(*this, n);
  const child* name = c.find(fld::name);
  if (name == nullptr) return;
  const bool test = s.test || is_test_attribute(attrs);
  const child* body = c.find(fld::body);
  if (body == nullptr) {
    if (test) return;
    mod_item m;
    m.name = text(name->n);
    m.module = s.module;
    for (const auto& a : attrs)
      if (a.path == "path" && !a.args.empty() && a.args[0]->text.size() > 2)
        m.path_attr = a.args[0]->text.substr(1, a.args[0]->text.size() - 2);
    file_.mods.push_back(m);
    return;
  }
  scope inner;
  inner.module = joined(s.module, text(name->n));
  inner.test = test;
  inner.program = std::any_of(attrs.begin(), attrs.end(), [](const attribute& a) {
    return a.path == "program" || a.path == "anchor_lang::program";
  });
  if (inner.program) file_.program_module = inner.module;
  items(body->n, inner);
}

void lowering::use(TSNode n, const std::string& prefix, const scope& s) {
  depth_guard guard(*this);
  if (!guard.ok()) return;
  const auto add = [&](std::string_view alias, std::string path) {
    file_.uses.push_back({alias, std::move(path), s.module});
  };
  const auto last = [](std::string_view path) {
    const auto colon = path.rfind("::");
    return colon == std::string_view::npos ? path : path.substr(colon + 2);
  };
  switch (kind_of(n)) {
    case rs::identifier:
    case rs::scoped_identifier: {
      const auto t = text(n);
      add(last(t), joined(prefix, t));
      return;
    }
    case rs::self: {
      if (!prefix.empty()) {
        const auto colon = prefix.rfind("::");
        const auto tail = colon == std::string::npos ? prefix : prefix.substr(colon + 2);
        // The alias must view the file's text: find it there.
        const auto at = file_.text.find(tail);
        if (at != std::string::npos) add(std::string_view(file_.text).substr(at, tail.size()), prefix);
      }
      return;
    }
    case rs::use_as_clause: {
      children c(*this, n);
      const child* path = c.find(fld::path);
      const child* alias = c.find(fld::alias);
      if (path != nullptr && alias != nullptr) add(text(alias->n), joined(prefix, text(path->n)));
      return;
    }
    case rs::use_wildcard: {
      children c(*this, n);
      for (std::size_t i = 0; i < c.size(); ++i)
        if (c[i].named) add("*", joined(prefix, text(c[i].n)));
      return;
    }
    case rs::scoped_use_list: {
      children c(*this, n);
      const child* path = c.find(fld::path);
      const std::string inner = path != nullptr ? joined(prefix, text(path->n)) : prefix;
      if (const child* list = c.find(fld::list)) use(list->n, inner, s);
      return;
    }
    case rs::use_list: {
      children c(*this, n);
      for (std::size_t i = 0; i < c.size(); ++i)
        if (c[i].named) use(c[i].n, prefix, s);
      return;
    }
    default: return;
  }
}

void lowering::constant(TSNode n, const scope& s) {
  const_item out;
  children c(*this, n);
  const child* name = c.find(fld::name);
  if (name == nullptr) return;
  out.name = text(name->n);
  if (const child* t = c.find(fld::type)) out.type = type(t->n);
  out.value = expr_of(c, fld::value);
  out.module = s.module;
  out.begin = begin(n);
  out.end = end(n);
  file_.constants.push_back(std::move(out));
}

}  // namespace osvm::audit
