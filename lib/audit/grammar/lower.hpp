// From tree-sitter's concrete syntax tree to the auditor's own. The only folder that sees tree-sitter.
#pragma once

#include <tree_sitter/api.h>

#include <deque>

#include "audit/syntax/parse.hpp"

extern "C" const TSLanguage* tree_sitter_rust(void);

namespace osvm::audit {

// clang-format off
#define OSVM_RUST_NODES(X)                                                                                   \
  X(identifier)                                                                                              \
  X(self)                                                                                                    \
  X(crate)                                                                                                   \
  X(super) X(metavariable) X(scoped_identifier) X(generic_function) X(field_expression) X(                   \
      call_expression) X(macro_invocation) X(unary_expression) X(reference_expression) X(binary_expression)  \
      X(assignment_expression) X(compound_assignment_expr) X(index_expression) X(try_expression) X(          \
          await_expression) X(type_cast_expression) X(block) X(unsafe_block) X(async_block) X(const_block)   \
          X(if_expression) X(else_clause) X(let_condition) X(let_chain) X(match_expression) X(               \
              match_block) X(match_arm) X(match_pattern) X(while_expression) X(loop_expression)              \
              X(for_expression) X(return_expression) X(break_expression) X(continue_expression) X(           \
                  closure_expression) X(struct_expression) X(field_initializer)                              \
                  X(shorthand_field_initializer) X(base_field_initializer) X(field_initializer_list) X(      \
                      tuple_expression) X(array_expression) X(range_expression) X(parenthesized_expression)  \
                      X(unit_expression) X(integer_literal) X(float_literal) X(string_literal) X(            \
                          raw_string_literal) X(char_literal) X(boolean_literal) X(expression_statement)     \
                          X(let_declaration) X(empty_statement) X(label) X(line_comment) X(block_comment) X( \
                              attribute_item) X(inner_attribute_item) X(attribute) X(token_tree)             \
                              X(function_item) X(function_signature_item) X(struct_item) X(union_item) X(    \
                                  enum_item) X(enum_variant) X(enum_variant_list) X(field_declaration_list)  \
                                  X(ordered_field_declaration_list) X(field_declaration) X(impl_item) X(     \
                                      trait_item) X(declaration_list) X(mod_item) X(use_declaration)         \
                                      X(use_as_clause) X(use_list) X(scoped_use_list) X(use_wildcard) X(     \
                                          const_item) X(static_item) X(type_item) X(macro_definition)        \
                                          X(extern_crate_declaration) X(foreign_mod_item) X(                 \
                                              visibility_modifier) X(parameters) X(parameter)                \
                                              X(self_parameter) X(type_identifier) X(primitive_type) X(      \
                                                  scoped_type_identifier) X(generic_type) X(reference_type)  \
                                                  X(pointer_type) X(array_type) X(tuple_type) X(             \
                                                      unit_type) X(type_arguments) X(dynamic_type)           \
                                                      X(abstract_type) X(function_type) X(type_binding) X(   \
                                                          lifetime) X(bracketed_type)                        \
                                                          X(generic_type_with_turbofish) X(                  \
                                                              mutable_specifier) X(tuple_pattern)            \
                                                              X(tuple_struct_pattern) X(struct_pattern) X(   \
                                                                  field_pattern) X(remaining_field_pattern)  \
                                                                  X(mut_pattern) X(ref_pattern) X(           \
                                                                      or_pattern) X(slice_pattern)           \
                                                                      X(reference_pattern) X(                \
                                                                          captured_pattern) X(range_pattern) \
                                                                          X(shorthand_field_identifier) X(   \
                                                                              negative_literal)              \
                                                                              X(field_identifier) X(         \
                                                                                  source_file) X(arguments)  \
                                                                                  X(closure_parameters)
// clang-format on

enum class rs : std::uint8_t {
  other,
#define X(n) n,
  OSVM_RUST_NODES(X)
#undef X
      error,
};

enum class fld : std::uint8_t {
  none,
  name,
  type,
  body,
  value,
  pattern,
  path,
  function,
  arguments,
  left,
  right,
  operator_,
  field,
  condition,
  consequence,
  alternative,
  parameters,
  return_type,
  type_arguments,
  macro,
  trait,
  argument,
  list,
  alias,
  length,
  element,
  type_parameters,
};

struct child {
  TSNode n;
  rs kind;
  fld field;
  bool named;
};

// The numbers that this build's grammar gave to names.
struct symbol_table {
  std::vector<rs> kinds;
  std::vector<fld> fields;
  symbol_table();
};

class lowering {
 public:
  lowering(TSParser* parser, const symbol_table& symbols, const parse_limits& limits, source_file& file);
  ~lowering();
  lowering(const lowering&) = delete;

  void file(TSNode root);
  bool too_deep() const noexcept { return too_deep_; }

 private:
  // The children of one node, on a stack shared by all levels.
  class children {
   public:
    children(lowering& owner, TSNode n);
    ~children() {
      while (owner_.stack_.size() > first_) owner_.stack_.pop_back();
    }
    children(const children&) = delete;
    std::size_t size() const { return count_; }
    const child& operator[](std::size_t i) const { return owner_.stack_[first_ + i]; }
    const child* find(fld f) const;
    const child* find(rs k) const;

   private:
    lowering& owner_;
    std::size_t first_, count_ = 0;
  };
  struct scope {
    std::string module;
    std::string_view impl_type, impl_trait;
    bool program = false, test = false;
  };
  struct depth_guard {
    explicit depth_guard(lowering& l) : l_(l) { ++l_.depth_; }
    ~depth_guard() { --l_.depth_; }
    bool ok() const {
      if (l_.depth_ > l_.limits_.depth) l_.too_deep_ = true;
      return l_.depth_ <= l_.limits_.depth;
    }
    lowering& l_;
  };

  rs kind_of(TSNode n) const;
  std::string_view text(TSNode n) const;
  std::string_view text(std::uint32_t begin, std::uint32_t end) const;
  std::uint32_t begin(TSNode n) const { return ts_node_start_byte(n) + shift_; }
  std::uint32_t end(TSNode n) const { return ts_node_end_byte(n) + shift_; }
  node* make(node_kind k, TSNode n);

  // Expressions.
  node* expr(TSNode n);
  node* expr_of(const children& c, fld f);
  node* all_kids(node_kind k, TSNode n);
  node* call(TSNode n);
  node* binary(TSNode n, node_kind k);
  node* block(TSNode n);
  node* if_expr(TSNode n);
  node* match_expr(TSNode n);
  node* match_arm(TSNode n);
  node* closure(TSNode n);
  node* struct_lit(TSNode n);
  node* let_decl(TSNode n);
  node* path_expr(TSNode n);
  node* one_kid(node_kind k, TSNode n);
  node* index_or_range(node_kind k, TSNode n);
  node* for_expr(TSNode n);
  node* array_expr(TSNode n);
  node* macro_expr(TSNode n);
  std::string_view path_text(TSNode n);
  void statement(TSNode n, std::vector<node*>& out, bool& value);

  // Macros: the inside of a token tree becomes expressions.
  std::span<node* const> token_tree(TSNode tree);
  std::vector<node*> parse_slice(std::string buffer, std::uint32_t shift);

  // Types and patterns.
  type_ref type(TSNode n);
  const type_ref* kept_type(const child* c);
  pattern pat(TSNode n);

  // Items.
  void items(TSNode list, const scope& s);
  void item(const child& c, const scope& s, std::vector<attribute>& attrs, std::string_view doc);
  attribute attribute_of(TSNode n);
  void function(TSNode n, const scope& s, std::vector<attribute> attrs);
  void structure(TSNode n, const scope& s, std::vector<attribute> attrs, bool is_enum);
  std::vector<field_item> fields(TSNode list);
  void variants(TSNode list, struct_item& out);
  void impl(TSNode n, const scope& s);
  void module(TSNode n, const scope& s, const std::vector<attribute>& attrs);
  void use(TSNode n, const std::string& prefix, const scope& s);
  void constant(TSNode n, const scope& s);
  void macro_item_of(TSNode n);

  TSParser* parser_;
  const symbol_table& symbols_;
  const parse_limits& limits_;
  source_file& file_;
  TSTreeCursor cursor_;
  std::deque<child> stack_;  // stable references while it grows
  std::uint32_t shift_ = 0;  // of offsets inside a re-parsed slice
  unsigned depth_ = 0, macro_depth_ = 0;
  bool too_deep_ = false;
};

bool is_test_attribute(const std::vector<attribute>& attrs);

}  // namespace osvm::audit
