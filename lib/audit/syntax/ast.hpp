// Rust source as the auditor sees it: a small tree of our own, without any parser's type. Expressions are one
// uniform node; items are plain structs. Everything lives in the file's arena and views the file's text, so
// it lives exactly as long as its `source_file`.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::audit {

// Half-open range of bytes of one file.
struct span {
  std::uint32_t file = 0;
  std::uint32_t begin = 0, end = 0;
  friend bool operator==(const span&, const span&) = default;
  friend auto operator<=>(const span&, const span&) = default;
};

struct type_ref {
  std::string_view name;  // last segment without arguments: "Account"
  std::string_view path;  // as written, without arguments: "anchor_lang::prelude::Account"
  std::vector<type_ref> args;
  bool reference = false, mutable_reference = false, slice = false, tuple = false;
  std::string_view length;  // of an array type [T; N]
};

enum class node_kind : std::uint8_t {
  unknown,    // something we do not model; kids are its expressions
  path,       // text: "spl_token::ID"
  literal,    // text
  field,      // kids[0].text
  call,       // kids[0](kids[1..])
  method,     // kids[0].text(kids[1..])
  macro,      // text!(kids...)
  unary,      // text = operator, kids[0]
  reference,  // &kids[0]; flag = mut
  binary,     // text = operator, kids[0], kids[1]
  assign,     // text = operator ("=", "+="), kids[0], kids[1]
  index,      // kids[0][kids[1]]
  try_,       // kids[0]?
  cast,       // kids[0] as type
  block,      // kids = statements; flag = the last one is the value
  if_,        // kids[0] condition, kids[1] then, kids[2] else (if any)
  let_cond,   // let pat = kids[0]
  match,      // kids[0] scrutinee, then arms
  arm,        // pat, kids[0] body, kids[1] guard (if any)
  while_,     // kids[0] condition, kids[1] body
  loop,       // kids[0]
  for_,       // pat in kids[0], kids[1] body
  return_,    // kids[0] (if any)
  break_,     // kids[0] (if any)
  continue_,
  closure,     // params = pats, kids[0] body
  struct_lit,  // text { kids = field_init }
  field_init,  // text: kids[0]; empty text = ..kids[0]
  tuple,
  array,  // flag = [kids[0]; kids[1]]
  range,
  let_,  // pat: type = kids[0] else kids[1]
};

enum class pattern_kind : std::uint8_t {
  wild,
  bind,
  tuple,
  tuple_struct,
  structure,
  slice,
  either,
  path,
  rest
};

struct pattern {
  pattern_kind kind = pattern_kind::wild;
  std::string_view text;        // bound name, or the path of a (tuple) struct or constant
  std::string_view field_name;  // within a structure pattern
  std::vector<pattern> subs;
  std::uint32_t begin = 0, end = 0;
};

struct node {
  node_kind kind = node_kind::unknown;
  bool flag = false;
  std::uint32_t begin = 0, end = 0;
  std::string_view text;
  std::span<node* const> kids;
  const type_ref* type = nullptr;  // of a cast, a let, a turbofish (call, method, path)
  std::span<const pattern> pats;   // let, let_cond, for, arm, closure
};

struct attribute {
  std::string_view path;  // "account", "derive"
  std::string_view raw;   // everything between the brackets
  std::span<node* const> args;
  std::uint32_t begin = 0, end = 0;
};

struct field_item {
  std::string_view name;
  type_ref type;
  std::vector<attribute> attrs;
  std::string_view doc;
  std::uint32_t begin = 0, end = 0;
};

struct variant_item {
  std::string_view name;
  std::vector<field_item> fields;
};

struct struct_item {
  std::string_view name;
  std::vector<field_item> fields;
  std::vector<variant_item> variants;  // of an enum
  bool is_enum = false, is_tuple = false;
  std::vector<attribute> attrs;
  std::string module;
  std::uint32_t begin = 0, end = 0;
};

struct param_item {
  pattern pat;
  type_ref type;
  bool is_self = false;
};

struct fn_item {
  std::string_view name;
  std::string_view impl_type;   // of the impl block around it, if any
  std::string_view impl_trait;  // of the impl block around it, if any
  std::vector<param_item> params;
  type_ref ret;
  node* body = nullptr;
  std::vector<attribute> attrs;
  std::string module;  // "crate::a::b" without "crate::"
  bool is_pub = false, in_program_mod = false, in_test = false;
  std::uint32_t begin = 0, end = 0;  // of the signature
  std::uint32_t body_end = 0;
};

struct const_item {
  std::string_view name;
  type_ref type;
  node* value = nullptr;
  std::string module;
  std::uint32_t begin = 0, end = 0;
};

struct use_item {
  std::string_view alias;  // the name it brings in, "*" for globs
  std::string path;        // what it stands for
  std::string module;
};

struct macro_item {  // invocations in item position: declare_id!, entrypoint!
  std::string_view name;
  std::span<node* const> args;
  std::uint32_t begin = 0, end = 0;
};

struct mod_item {
  std::string_view name;
  std::string_view path_attr;  // #[path = "..."]
  std::string module;          // of the module around it
  bool is_inline = false;
};

// Where an in-source suppression applies: the line it stands on or the next one, or the item that follows.
struct suppression {
  std::string checks;  // "OSVM-A01,OSVM-A03" or "all"
  std::string reason;
  std::uint32_t line = 0;             // 1-based
  std::uint32_t first = 0, last = 0;  // lines that it covers
  bool whole_line = false;
};

class arena {
 public:
  node* make(node_kind k) {
    nodes_.emplace_back();
    nodes_.back().kind = k;
    return &nodes_.back();
  }
  std::span<node* const> list(const std::vector<node*>& v) {
    if (v.empty()) return {};
    lists_.push_back(v);
    return lists_.back();
  }
  std::span<node* const> list(node* a) { return list(std::vector<node*>{a}); }
  const type_ref* keep(type_ref t) {
    types_.push_back(std::move(t));
    return &types_.back();
  }
  std::span<const pattern> keep(std::vector<pattern> p) {
    if (p.empty()) return {};
    patterns_.push_back(std::move(p));
    return patterns_.back();
  }
  std::size_t size() const { return nodes_.size(); }

 private:
  std::deque<node> nodes_;
  std::deque<std::vector<node*>> lists_;
  std::deque<type_ref> types_;
  std::deque<std::vector<pattern>> patterns_;
};

// Why a file was not, or only in part, understood.
enum class parse_state : std::uint8_t {
  complete,
  errors,      // the parser had to skip parts
  too_deep,    // nesting past the bound; the deeper part is missing
  too_large,   // not parsed
  not_utf8,    // not parsed
  unreadable,  // not parsed
  timed_out,   // not parsed
};
const char* name_of(parse_state s) noexcept;

struct source_file {
  std::uint32_t id = 0;
  std::string path;     // on this machine
  std::string display;  // relative to the audited folder, with '/'
  std::string text;
  parse_state state = parse_state::complete;
  std::uint32_t first_error_line = 0;
  std::uint32_t sloc = 0;            // lines that are neither blank nor comment
  std::vector<std::uint32_t> lines;  // offset of each line
  arena nodes;
  std::deque<fn_item> functions;
  std::deque<struct_item> structs;
  std::deque<const_item> constants;
  std::vector<use_item> uses;
  std::vector<macro_item> macros;
  std::vector<mod_item> mods;
  std::vector<suppression> suppressions;
  std::string program_module;  // module of #[program], when there is one

  std::uint32_t line_of(std::uint32_t offset) const noexcept;    // 1-based
  std::uint32_t column_of(std::uint32_t offset) const noexcept;  // 1-based, bytes
};

}  // namespace osvm::audit
