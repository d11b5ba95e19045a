#include "lower.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace osvm::audit {
namespace {

const std::unordered_map<std::string_view, rs>& kind_names() {
  static const std::unordered_map<std::string_view, rs> names = {
#define X(n) {#n, rs::n},
      OSVM_RUST_NODES(X)
#undef X
  };
  return names;
}

constexpr std::pair<std::string_view, fld> field_names[] = {
    {"name", fld::name},
    {"type", fld::type},
    {"body", fld::body},
    {"value", fld::value},
    {"pattern", fld::pattern},
    {"path", fld::path},
    {"function", fld::function},
    {"arguments", fld::arguments},
    {"left", fld::left},
    {"right", fld::right},
    {"operator", fld::operator_},
    {"field", fld::field},
    {"condition", fld::condition},
    {"consequence", fld::consequence},
    {"alternative", fld::alternative},
    {"parameters", fld::parameters},
    {"return_type", fld::return_type},
    {"type_arguments", fld::type_arguments},
    {"macro", fld::macro},
    {"trait", fld::trait},
    {"argument", fld::argument},
    {"list", fld::list},
    {"alias", fld::alias},
    {"length", fld::length},
    {"element", fld::element},
    {"type_parameters", fld::type_parameters},
};

}  // namespace

symbol_table::symbol_table() {
  const TSLanguage* language = tree_sitter_rust();
  const auto count = ts_language_symbol_count(language);
  kinds.assign(count, rs::other);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto symbol = static_cast<TSSymbol>(i);
    // "self", "crate" and "super" are named nodes; other keywords share names with nothing that we look for.
    if (ts_language_symbol_type(language, symbol) == TSSymbolTypeAuxiliary) continue;
    const auto found = kind_names().find(ts_language_symbol_name(language, symbol));
    if (found != kind_names().end()) kinds[i] = found->second;
  }
  fields.assign(ts_language_field_count(language) + 1, fld::none);
  for (const auto& [name, f] : field_names) {
    const auto id =
        ts_language_field_id_for_name(language, name.data(), static_cast<std::uint32_t>(name.size()));
    if (id != 0) fields[id] = f;
  }
}

lowering::lowering(TSParser* parser, const symbol_table& symbols, const parse_limits& limits,
                   source_file& file)
    : parser_(parser), symbols_(symbols), limits_(limits), file_(file), cursor_{} {}

lowering::~lowering() {
  if (cursor_.tree != nullptr) ts_tree_cursor_delete(&cursor_);
}

lowering::children::children(lowering& owner, TSNode n) : owner_(owner), first_(owner.stack_.size()) {
  auto& cursor = owner.cursor_;
  if (cursor.tree == nullptr)
    cursor = ts_tree_cursor_new(n);
  else
    ts_tree_cursor_reset(&cursor, n);
  if (!ts_tree_cursor_goto_first_child(&cursor)) return;
  do {
    const TSNode node = ts_tree_cursor_current_node(&cursor);
    const auto field = ts_tree_cursor_current_field_id(&cursor);
    owner.stack_.push_back({node, owner.kind_of(node), owner.symbols_.fields[field], ts_node_is_named(node)});
  } while (ts_tree_cursor_goto_next_sibling(&cursor));
  count_ = owner.stack_.size() - first_;
}

const child* lowering::children::find(fld f) const {
  for (std::size_t i = 0; i < count_; ++i)
    if ((*this)[i].field == f && (*this)[i].kind != rs::line_comment) return &(*this)[i];
  return nullptr;
}

const child* lowering::children::find(rs k) const {
  for (std::size_t i = 0; i < count_; ++i)
    if ((*this)[i].kind == k) return &(*this)[i];
  return nullptr;
}

rs lowering::kind_of(TSNode n) const {
  const auto symbol = ts_node_symbol(n);
  return symbol < symbols_.kinds.size() ? symbols_.kinds[symbol] : rs::error;
}

std::string_view lowering::text(std::uint32_t b, std::uint32_t e) const {
  const auto size = static_cast<std::uint32_t>(file_.text.size());
  b = std::min(b, size);
  return std::string_view(file_.text).substr(b, std::min(e, size) - std::min(b, e));
}

std::string_view lowering::text(TSNode n) const {
  return text(begin(n), end(n));
}

node* lowering::make(node_kind k, TSNode n) {
  node* out = file_.nodes.make(k);
  out->begin = begin(n);
  out->end = end(n);
  return out;
}

void lowering::file(TSNode root) {
  scope s;
  s.module = file_.program_module;  // the module path of the file, set by the caller
  file_.program_module.clear();
  items(root, s);
}

// --- macros ------------------------------------------------------------------------------------------------

namespace {

// Copies the inside of a token tree so that the statement grammar reads it: commas at depth 0 end statements,
// so does Anchor's `expr @ error`; a bare `mut` (a keyword there) becomes a name.
std::string as_statements(std::string_view inside) {
  std::string out(inside);
  int depth = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const char c = out[i];
    if (c == '"') {
      for (++i; i < out.size() && out[i] != '"'; ++i)
        if (out[i] == '\\') ++i;
      continue;
    }
    if (c == '/' && i + 1 < out.size() && out[i + 1] == '/') {
      while (i < out.size() && out[i] != '\n') ++i;
      continue;
    }
    if (c == '\'' && i + 2 < out.size() && (out[i + 1] == '\\' || out[i + 2] == '\'')) {
      i += out[i + 1] == '\\' ? 2 : 1;
      while (i < out.size() && out[i] != '\'' && out[i] != '\n') ++i;
      continue;
    }
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    if (depth != 0) continue;
    if (c == ',') out[i] = ';';
    if (c == '@') out[i] = ';';
    const auto word = [&](std::size_t at) {
      return at < out.size() && (std::isalnum(static_cast<unsigned char>(out[at])) || out[at] == '_');
    };
    if (out.compare(i, 3, "mut") == 0 && !word(i + 3) && (i == 0 || !word(i - 1))) {
      std::size_t next = i + 3;
      while (next < out.size() && std::isspace(static_cast<unsigned char>(out[next]))) ++next;
      if (next == out.size() || out[next] == ',' || out[next] == '@') out[i] = 'M';
    }
  }
  out += ';';
  return out;
}

}  // namespace

std::vector<node*> lowering::parse_slice(std::string buffer, std::uint32_t shift) {
  std::vector<node*> out;
  TSTree* tree =
      ts_parser_parse_string(parser_, nullptr, buffer.data(), static_cast<std::uint32_t>(buffer.size()));
  if (tree == nullptr) return out;
  const auto outer_shift = std::exchange(shift_, shift);
  {
    bool value = false;
    children c(*this, ts_tree_root_node(tree));
    for (std::size_t i = 0; i < c.size(); ++i)
      if (c[i].named) statement(c[i].n, out, value);
  }
  shift_ = outer_shift;
  // A cursor must not outlive the tree that it points into.
  if (cursor_.tree != nullptr) ts_tree_cursor_delete(&cursor_);
  cursor_ = {};
  ts_tree_delete(tree);
  return out;
}

std::span<node* const> lowering::token_tree(TSNode tree) {
  const auto b = begin(tree), e = end(tree);
  if (e < b + 3 || macro_depth_ >= limits_.macro_depth) return {};
  const auto inside = text(b + 1, e - 1);
  if (inside.find_first_not_of(" \t\r\n") == std::string_view::npos) return {};
  ++macro_depth_;
  auto kids = parse_slice(as_statements(inside), b + 1);
  --macro_depth_;
  return file_.nodes.list(kids);
}

node* lowering::macro_expr(TSNode n) {
  node* out = make(node_kind::macro, n);
  children c(*this, n);
  const child* name = c.find(fld::macro);
  if (name != nullptr) out->text = text(name->n);
  if (const auto colon = out->text.rfind("::"); colon != std::string_view::npos)
    out->text.remove_prefix(colon + 2);
  if (const child* tree = c.find(rs::token_tree)) out->kids = token_tree(tree->n);
  return out;
}

}  // namespace osvm::audit
