// What a program does, as the checks see it: instructions, accounts, and events (checks made, effects had)
// with the branch that each stands on.
#pragma once

#include "audit/model/symbols.hpp"
#include "audit/model/term.hpp"

namespace osvm::audit {

using path_id = std::uint32_t;  // a branch; 0 is the body itself

enum class ek : std::uint8_t {
  check,     // condition a holds (negated: does not) wherever execution goes on
  parse,     // account a's bytes read as type `text`
  write,     // account a's field `text` (or "*": its bytes) set to b
  lamports,  // account a's balance changed by operator `text` with b
  cpi,       // program a called; text = builder; args = accounts; b = signer seeds; c = other arguments
  close,     // account a closed as Anchor does, b = destination
  assign,    // account a given to program b
  resize,    // account a's data set to length b
  init,      // account a created by this instruction
  make_pda,  // create_program_address: a = result, args = seeds
  use,       // a read in a place without effect (logs)
  escape,    // account a passed to library function `text`
  named,     // program account a was named for a call that goes to a fixed program all the same
  arith,     // unchecked a `text` b
  read,      // field `text` of account a, which another program's type describes
  ignored,   // a fallible call's result was dropped; text = callee
};

enum class proof : std::uint8_t {
  code,        // an `if`, a require!, an assert!
  type,        // an account wrapper's type
  constraint,  // #[account(...)]
  cpi,         // the called program enforces it
  opaque,      // a helper outside the program whose name says that it checks
};

struct event {
  ek kind = ek::check;
  bool negated = false, weak = false, fallible = false;
  proof by = proof::code;
  term_id a = no_term, b = no_term, c = no_term;
  std::vector<term_id> args;
  std::string_view text;
  path_id path = 0;
  span where;
};

struct slot_info {
  std::string name;
  const type_ref* type = nullptr;
  const field_item* field = nullptr;      // in an Accounts struct
  const struct_item* accounts = nullptr;  // that struct
  span where;
  bool is_mut = false, is_init = false, is_init_if_needed = false, is_close = false, is_zero = false,
       has_seeds = false, optional = false, has_realloc = false, realloc_zeroed = false;
};

enum class way : std::uint8_t {
  other,   // an arm, a loop, a closure
  chosen,  // one side of an `if`
  only,    // one side of an `if` whose other side never goes on
};

struct branch {
  path_id parent = 0;
  std::uint32_t depth = 0;
  way by = way::other;
};

// What calling a function means, in terms of its parameters.
struct summary {
  std::vector<event> events;
  std::vector<branch> branches{1};
  term_id value = no_term;
  std::vector<std::uint32_t> new_slots;
  bool busy = false, done = false, capped = false;
  bool introduces = false;  // takes accounts out of a list itself
  std::vector<int> callees;
};

// One instruction: an entry point with everything that it calls.
struct instruction {
  int function = -1;
  std::string name;
  const struct_item* accounts = nullptr;  // Anchor
  std::vector<term_id> slots;             // accounts, in order
  std::vector<event> events;
  std::vector<branch> branches;
  bool capped = false, loose = false;  // loose: judged although no entry point was found
};

struct program {
  program(const project& p, const crate& c) : owner(p), source(c), names(p, c) {}
  const project& owner;
  const crate& source;
  symbols names;
  term_table terms;
  std::vector<slot_info> slots;
  std::deque<summary> summaries;  // by function
  std::vector<instruction> instructions;
  std::deque<type_ref> types;
  std::map<term_id, std::string> display;  // names that variables gave to accounts
  bool anchor = false;

  const type_ref* named_type(std::string_view name);
  // The type behind references, Box, Option, Result and guards.
  static const type_ref* strip(const type_ref* t);
  const type_ref* type_of(term_id t) const;
  bool is_account(term_id t) const;
  bool is_account_type(const type_ref* t) const;
  // How people call the account.
  std::string account_name(term_id t) const;
  const slot_info* slot_of(term_id t) const;
  std::string_view wrapper_of(term_id t) const;  // "Account", "AccountInfo", "Signer"
  std::string_view inner_type(term_id t) const;  // "User" of Account<'info, User>
  // The account below parsed(), field(), data()...: the slot or param at the bottom, no_term if there is
  // none.
  term_id account_below(term_id t) const;
  std::string_view text(const span& s) const;
};

// Interprets every function and fills `p.instructions`.
void build_model(program& p);

}  // namespace osvm::audit
