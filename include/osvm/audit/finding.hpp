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

struct program_summary {
  std::string name, manifest;
  std::uint32_t files = 0, instructions = 0, accounts = 0, functions = 0;
  bool anchor = false;
  bool truncated = false;  // a bound cut the analysis of an instruction
};

struct report {
  std::string root;
  std::vector<finding> findings;  // by file, line, check; suppressed ones included
  std::vector<unparsed_file> unparsed;
  std::vector<program_summary> programs;
  std::uint64_t files = 0, sloc = 0;
  std::uint32_t unreached = 0;                   // files that no module tree names
  std::vector<std::string> unused_suppressions;  // "src/lib.rs:10: OSVM-A01"

  std::size_t count(severity at_least) const;  // not counting suppressed ones
};

}  // namespace osvm::audit
