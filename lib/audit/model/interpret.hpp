// Abstract interpretation of one function: every expression becomes a term, every check and effect an event
// on its branch. Calls into the program are replaced by the callee's summary, so that what a helper checks
// counts where it is called.
#pragma once

#include "audit/model/program.hpp"

namespace osvm::audit {

struct interpreter_limits {
  std::size_t events = 6000;  // of one function with everything below it
  unsigned depth = 200;       // of nested expressions
  unsigned calls = 48;        // of nested functions
};

// The summary of function `id`, computed at first use.
summary& summarize(program& p, int id, const interpreter_limits& limits, unsigned depth);

// Events of an Accounts struct's types and constraints, on the body's branch.
std::vector<event> constraint_events(program& p, const struct_item& accounts, unsigned depth = 0);

// Smart constructors: normal forms.
term_id make_field(program& p, term_id base, std::string_view name);
term_id make_element(program& p, term_id base, term_id index);
term_id make_key(program& p, term_id account);
term_id make_cmp(program& p, std::string_view op, term_id a, term_id b);
term_id accounts_term(program& p, const struct_item& s);
bool is_accounts_struct(const struct_item& s);
std::string_view flipped(std::string_view op);

class interpreter {
 public:
  interpreter(program& p, int function, summary& out, const interpreter_limits& limits, unsigned depth);
  void run();
  // For constraints: names are bound before an expression is read.
  void bind_name(std::string_view name, term_id value) { env_.emplace_back(name, value); }
  term_id evaluate(const node* n) { return eval(n); }
  void assume(term_id condition, bool holds, proof by, const span& where);

 private:
  friend std::vector<event> constraint_events(program& p, const struct_item& accounts, unsigned depth);
  using environment = std::vector<std::pair<std::string_view, term_id>>;

  term_id eval(const node* n);
  term_id eval_path(const node* n);
  term_id eval_field(const node* n);
  term_id eval_block(const node* n);
  term_id eval_if(const node* n);
  term_id eval_match(const node* n);
  term_id eval_loop(const node* n, const node* condition, const node* body);
  term_id eval_assign(const node* n);
  term_id root_param(term_id target) const;
  bool assign_local_field(const node* left, term_id value);
  term_id eval_binary(const node* n);
  term_id eval_try(const node* n);
  term_id eval_let(const node* n);
  term_id eval_index(const node* n);
  term_id eval_closure(const node* n, term_id argument);
  term_id eval_struct(const node* n);
  term_id eval_macro(const node* n);
  term_id eval_condition_macro(const node* n, bool& handled);
  term_id eval_list(const node* n, std::size_t first);
  std::vector<term_id> eval_all(const node* n, std::size_t first);
  void eval_used(term_id t, const node* n);

  term_id eval_call(const node* n);
  term_id own_call(const node* n, int id, const std::string& full, std::vector<term_id> args);
  term_id library_call(const node* n, std::string_view path, std::vector<term_id> args);
  term_id special_call(const node* n, std::string_view name, std::string_view qualifier,
                       const std::string& full, std::vector<term_id>& args, bool& handled);
  term_id eval_method(const node* n);
  term_id account_method(const node* n, std::string_view name, term_id self, std::vector<term_id>& args,
                         bool& handled);
  term_id plain_method(const node* n, std::string_view name, term_id self, std::vector<term_id> args);
  term_id introspect(const node* n, std::string_view name, const std::vector<term_id>& args);
  bool call_again(const event& wrapped, const node* site);
  term_id inline_call(int callee, std::vector<term_id> args, const node* site);
  term_id parse_bytes(const node* n, std::string_view type, term_id bytes, bool tagged);
  term_id new_account(const node* n, term_id from);
  void emit_cpi(const node* n, term_id program, std::string_view builder, term_id instruction,
                term_id accounts, term_id seeds);
  void cpi_signers(const node* n, term_id instruction, term_id accounts, std::string_view builder,
                   term_id seeds);
  bool cpi_from_context(const node* n, const std::string& full, std::string_view name,
                        const std::vector<term_id>& args);
  void invoke(const node* n, const std::vector<term_id>& args, bool is_signed);
  void write_through(const node* n, term_id target, term_id value);
  term_id resolve_callee(const node* callee, int& id, std::string& full);

  void bind(const pattern& p, term_id value);
  term_id* lookup(std::string_view name);
  void merge(const environment& before, const std::vector<environment>& branches);
  path_id new_branch(path_id parent);
  event& emit(ek kind, const node* n, term_id a = no_term);
  span where(const node* n) const;
  term_id substitute(term_id t, std::map<term_id, term_id>& done);
  std::string_view type_name(std::string_view name) const;

  program& p_;
  term_table& t_;
  int function_;
  function_ref ref_;
  summary& out_;
  const interpreter_limits& limits_;
  unsigned call_depth_, depth_ = 0;
  environment env_;
  path_id path_ = 0;
  bool diverges_ = false;
  const type_ref* hint_ = nullptr;  // the type that the surrounding let or return wants
};

}  // namespace osvm::audit
