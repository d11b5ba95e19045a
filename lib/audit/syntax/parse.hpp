// Rust text to `source_file`.
#pragma once

#include "ast.hpp"

namespace osvm::audit {

struct parse_limits {
  std::uint32_t file_bytes = 4u << 20;
  unsigned depth = 400;      // of nested nodes
  unsigned macro_depth = 8;  // of macros inside macros
  std::uint64_t micros = 20'000'000;
};

// False in a build without the Rust grammar: parse() must not be called then.
bool parser_available() noexcept;

// One per thread. Fills `file` from `file.text` (its module path is `module`); never fails, says in
// `file.state` how far it came.
class rust_parser {
 public:
  explicit rust_parser(const parse_limits& limits);
  rust_parser(rust_parser&&) noexcept;
  ~rust_parser();
  void parse(source_file& file);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

// What needs no grammar: line offsets, SLOC, suppressions. parse() calls it.
void scan_lines(source_file& file);

}  // namespace osvm::audit
