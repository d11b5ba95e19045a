// What an audit finds. Plain values: no parser's type, nothing to free.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace osvm::audit {

enum class severity : std::uint8_t { info, low, medium, high, critical };
enum class confidence : std::uint8_t {
  heuristic,  // by names or shapes; worth a look
  strong,     // the model saw the effect and no proof
  proof,      // a plain fact (a manifest's line)
};
const char* name_of(severity s) noexcept;
const char* name_of(confidence c) noexcept;

// One check as people see it.
struct check_info {
  std::string id;    // "OSVM-A01"
  std::string name;  // "missing-signer"
  std::string title, rationale, fix;
  int cwe = 0;
  audit::severity severity{};
  audit::confidence confidence{};
};

// Where something stands: lines and columns count from 1, columns in bytes, the end is behind the last byte.
struct location {
  std::string file;  // relative to the audited folder, with '/'
  std::uint32_t line = 0, column = 0, end_line = 0, end_column = 0;
};

// A check that was seen, or another place that the finding rests on.
struct evidence {
  location where;
  std::string text;
};

struct finding {
  std::string check;  // "OSVM-A01"
  audit::severity severity{};
  audit::confidence confidence{};
  std::string program;      // name of the crate
  std::string instruction;  // the handler, empty for manifests
  std::string account;      // the account that it is about, if any
  std::string message;      // the effect and what is missing
  std::string fix;
  location where;
  std::string excerpt;  // source lines of `where`, the first `excerpt_lines`
  std::vector<evidence> seen;
  std::string fingerprint;  // survives moved lines
  bool suppressed = false;
  std::string reason;  // of the suppression
};

// A file that was not, or not wholly, understood.
struct unparsed_file {
  std::string file;
  std::string why;
  std::uint32_t line = 0;
};

// One account of an instruction, and what is proven about it before its effects.
struct account_row {
  std::string name;
  std::string type;  // "Account<Vault>", "Signer", "UncheckedAccount"
  bool signer = false, writable = false;
  bool owner = false;    // which program owns it
  bool address = false;  // by a constant, a derivation, or a stored key
  bool created = false, closed = false;
  std::vector<std::string> bound_to;  // accounts that a check relates it to
  location where;                     // its declaration
};

// A call of another program.
struct call_row {
  std::string program;      // "token::ID", or the account's name
  std::string what;         // "token::transfer"
  bool pinned = false;      // the program's address is known or checked
  bool by_program = false;  // signed with the seeds of one of the program's own addresses
};

// Who decides over what: a signer that a check relates to an account which is changed.
struct authority_row {
  std::string authority, over;
};

struct instruction_row {
  std::string name;
  location where;
  std::vector<account_row> accounts;
  std::vector<call_row> calls;
  std::vector<authority_row> authorities;
  bool truncated = false;  // a bound cut its analysis
};

struct program_summary {
  std::string name, manifest;
  std::uint32_t files = 0, instructions = 0, accounts = 0, functions = 0;
  bool anchor = false;
  bool truncated = false;  // a bound cut the analysis of an instruction
  std::vector<instruction_row> rows;
};

// What makes the same report again: the same sources, checks and settings.
struct reproducibility {
  std::string sources, rules, settings;  // digests
};

struct report {
  std::string root;
  std::vector<finding> findings;  // by file, line, check; suppressed ones included
  std::vector<unparsed_file> unparsed;
  std::vector<program_summary> programs;
  std::uint64_t files = 0, sloc = 0;
  std::uint32_t unreached = 0;                   // files that no module tree names
  std::vector<std::string> unused_suppressions;  // "src/lib.rs:10: OSVM-A01"
  reproducibility made_from;
  std::vector<check_info> own_checks;  // that were added to it: own_checks.hpp

  std::size_t count(severity at_least) const;  // not counting suppressed ones
};

}  // namespace osvm::audit
