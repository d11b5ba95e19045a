#include <osvm/core/text.hpp>

#include "lower.hpp"

namespace osvm::audit {

bool parser_available() noexcept {
  return true;
}

struct rust_parser::state {
  parse_limits limits;
  symbol_table symbols;
  std::unique_ptr<TSParser, void (*)(TSParser*)> parser{ts_parser_new(), ts_parser_delete};
};

rust_parser::rust_parser(const parse_limits& limits) : state_(std::make_unique<state>()) {
  state_->limits = limits;
  ts_parser_set_language(state_->parser.get(), tree_sitter_rust());
  ts_parser_set_timeout_micros(state_->parser.get(), limits.micros);
}
rust_parser::rust_parser(rust_parser&&) noexcept = default;
rust_parser::~rust_parser() = default;

namespace {

// Line of the first node that the parser could not read, 0 when there is none.
std::uint32_t first_error(TSNode root) {
  if (!ts_node_has_error(root)) return 0;
  TSTreeCursor cursor = ts_tree_cursor_new(root);
  std::uint32_t line = 0;
  for (bool going = true; going && line == 0;) {
    const TSNode n = ts_tree_cursor_current_node(&cursor);
    if (ts_node_is_missing(n) || ts_node_symbol(n) == static_cast<TSSymbol>(-1)) {
      line = ts_node_start_point(n).row + 1;
    } else if (ts_node_has_error(n) && ts_tree_cursor_goto_first_child(&cursor)) {
      continue;
    }
    while (line == 0 && !ts_tree_cursor_goto_next_sibling(&cursor))
      if (!ts_tree_cursor_goto_parent(&cursor)) {
        going = false;
        break;
      }
  }
  ts_tree_cursor_delete(&cursor);
  return line == 0 ? 1 : line;
}

}  // namespace

void rust_parser::parse(source_file& file) {
  if (file.text.size() > state_->limits.file_bytes) {
    file.state = parse_state::too_large;
    return;
  }
  if (utf8_prefix(file.text) != file.text.size()) {
    file.state = parse_state::not_utf8;
    return;
  }
  scan_lines(file);
  ts_parser_reset(state_->parser.get());
  TSTree* tree = ts_parser_parse_string(state_->parser.get(), nullptr, file.text.data(),
                                        static_cast<std::uint32_t>(file.text.size()));
  if (tree == nullptr) {
    file.state = parse_state::timed_out;
    return;
  }
  const TSNode root = ts_tree_root_node(tree);
  file.first_error_line = first_error(root);
  if (file.first_error_line != 0) file.state = parse_state::errors;
  {
    lowering lower(state_->parser.get(), state_->symbols, state_->limits, file);
    lower.file(root);
    if (lower.too_deep()) file.state = parse_state::too_deep;
  }
  ts_tree_delete(tree);
}

}  // namespace osvm::audit
