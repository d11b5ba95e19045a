// What a check is: one file of this folder defines one `extern const check <file stem>_check`. It sees the
// model, never the text.
#pragma once

#include <osvm/audit/audit.hpp>

#include "audit/model/program.hpp"

namespace osvm::audit {

struct check;

struct raw_finding {
  const check* by = nullptr;
  span where;
  int function = -1;
  term_id account = no_term;
  std::string message;
  std::string topic;  // tells findings of one check at one place apart
  severity level{};
  confidence sure{};
  std::vector<std::pair<span, std::string>> seen;
  std::string file;  // instead of `where`: a manifest, with its line
  std::uint32_t line = 0;
};

// One instruction with the questions that checks ask.
class view {
 public:
  view(program& program_, const instruction& in_, std::vector<raw_finding>& out);

  program& p;
  const instruction& in;
  const term_table& t;

  bool raw(term_id account) const;    // AccountInfo or UncheckedAccount
  bool typed(term_id account) const;  // Account<'info, T> and the like
  std::string name(term_id account) const { return p.account_name(account); }

  const event* signer_proof(term_id account) const;
  // Its address is fixed: by a constant, a derivation, a type, or a stored key of a trusted account.
  const event* key_proof(term_id account) const;
  const event* owner_proof(term_id account) const;
  const event* opaque_check(term_id account) const;
  // A check that compares something of `account` with something of another account.
  const event* relation(term_id account) const;
  bool related(term_id a, term_id b) const;
  // Whatever runs on branch `inner` has passed branch `outer`.
  bool dominates(path_id outer, path_id inner) const;
  bool any(ek kind, term_id account) const;
  bool fresh(term_id account) const;  // this instruction creates it
  bool written(term_id account) const;
  bool pda_signer(term_id account) const;  // signs a CPI by its seeds
  bool passed_to_cpi(term_id account) const;
  bool mentions(term_id whole, term_id part) const { return t.mentions(whole, part); }
  std::vector<std::pair<span, std::string>> checks_seen(term_id account) const;
  span slot_span(term_id account) const;

  raw_finding& report(const check& by, const span& where, std::string message,
                      term_id account = no_term) const;

 private:
  bool listed(const term& x, term_id account) const;
  std::vector<raw_finding>& out_;
};

// The whole program.
struct program_view {
  program& p;
  std::vector<raw_finding>& out;
  raw_finding& report(const check& by, const span& where, std::string message) const;
  raw_finding& report_manifest(const check& by, std::uint32_t line, std::string message,
                               const std::string& file) const;
};

struct check {
  const char* id;
  const char* name;
  const char* title;
  int cwe;
  audit::severity severity;
  audit::confidence confidence;
  const char* rationale;
  const char* fix;
  void (*instruction)(const check& self, const view& v) = nullptr;
  void (*program)(const check& self, const program_view& v) = nullptr;
  // Of crates that are no programs; a check that has it has neither of the others.
  void (*offchain)(const check& self, const program_view& v) = nullptr;
};

std::span<const check* const> all_checks() noexcept;

// Names.
bool sounds_like_authority(std::string_view name);
bool is_pubkey(const type_ref* t);

}  // namespace osvm::audit
