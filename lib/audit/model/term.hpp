// Symbolic values. A program is interpreted once, without knowing its input; every expression becomes a term,
// and equal terms have equal numbers. Account properties are normal forms: however a program writes it, the
// key of account A is key(A), and bytes of A read as type T are parsed(A, T).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "audit/syntax/ast.hpp"

namespace osvm::audit {

using term_id = std::uint32_t;
inline constexpr term_id no_term = 0;  // term 0 is `unknown` without dependencies

enum class tk : std::uint8_t {
  unknown,    // depends on args
  param,      // num = function << 8 | index
  slot,       // an account, num = index into the slots
  context,    // Anchor's Context<X>; type = X
  accounts,   // Context::accounts; type = X
  remaining,  // Context::remaining_accounts, or a slice of accounts
  element,    // args[0][args[1]]
  constant,   // text = path
  literal,    // text
  field,      // args[0].text
  key,
  owner,
  lamports,
  data,
  signer_flag,
  writable_flag,
  executable_flag,  // of account args[0]
  parsed,           // args[0]'s data as type `text`
  pda,              // args = program, seeds...
  pda_bump,         // args[0] = the pda
  created_pda,      // create_program_address: args = program, seeds...
  call,             // text(args...); num = function + 1 when its type is known
  aggregate,        // text { name, value, ... } with names as constants
  list,             // [args...]
  cmp,              // text = operator
  negation,         // !args[0]
  both,             // args[0] && args[1]
  either,           // args[0] || args[1]
  arith,            // text = operator
  phi,              // one of args
};

struct term {
  tk kind = tk::unknown;
  std::uint32_t num = 0;
  std::string_view text;
  std::vector<term_id> args;
  const type_ref* type = nullptr;  // of a slot, context, accounts, parsed
};

class term_table {
 public:
  term_table();
  term_table(const term_table&) = delete;

  term_id make(tk kind, std::string_view text = {}, std::vector<term_id> args = {}, std::uint32_t num = 0,
               const type_ref* type = nullptr);
  const term& operator[](term_id t) const { return terms_[t]; }
  std::size_t size() const { return terms_.size(); }
  std::string_view intern(std::string_view text);

  term_id constant(std::string_view path) { return make(tk::constant, intern(path)); }
  term_id literal(std::string_view text) { return make(tk::literal, intern(text)); }
  term_id unknown(std::vector<term_id> deps);
  term_id phi(term_id a, term_id b);

  // The term of kind `k` over `a` alone, no_term when nobody made it.
  term_id find(tk k, term_id a) const;
  // Does `t` hold `what` anywhere inside?
  bool mentions(term_id t, term_id what) const;
  // Every account-like leaf (slot, element, param) inside.
  std::string show(term_id t, unsigned depth = 0) const;

 private:
  std::deque<term> terms_;
  std::unordered_map<std::uint64_t, std::vector<term_id>> by_hash_;
  std::unordered_map<std::string_view, std::string_view> interned_;
  std::deque<std::string> texts_;
  mutable std::unordered_map<std::uint64_t, bool> mention_cache_;
};

}  // namespace osvm::audit
