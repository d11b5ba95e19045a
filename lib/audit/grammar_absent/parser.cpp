// The front end of a build without the Rust grammar: says so, and nothing else.
#include "audit/syntax/parse.hpp"

namespace osvm::audit {

bool parser_available() noexcept {
  return false;
}

struct rust_parser::state {};
rust_parser::rust_parser(const parse_limits&) {}
rust_parser::rust_parser(rust_parser&&) noexcept = default;
rust_parser::~rust_parser() = default;
void rust_parser::parse(source_file& file) {
  file.state = parse_state::unreadable;
}

}  // namespace osvm::audit
