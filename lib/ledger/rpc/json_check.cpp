#include "json_check.hpp"

#include <boost/json/basic_parser_impl.hpp>

namespace osvm::ledger {
namespace {

namespace json = boost::json;

// Takes every event and keeps nothing.
struct nothing {
  using code = boost::system::error_code;
  using text = json::string_view;
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  bool on_document_begin(code&) { return true; }
  bool on_document_end(code&) { return true; }
  bool on_object_begin(code&) { return true; }
  bool on_object_end(std::size_t, code&) { return true; }
  bool on_array_begin(code&) { return true; }
  bool on_array_end(std::size_t, code&) { return true; }
  bool on_key_part(text, std::size_t, code&) { return true; }
  bool on_key(text, std::size_t, code&) { return true; }
  bool on_string_part(text, std::size_t, code&) { return true; }
  bool on_string(text, std::size_t, code&) { return true; }
  bool on_number_part(text, code&) { return true; }
  bool on_int64(std::int64_t, text, code&) { return true; }
  bool on_uint64(std::uint64_t, text, code&) { return true; }
  bool on_double(double, text, code&) { return true; }
  bool on_bool(bool, code&) { return true; }
  bool on_null(code&) { return true; }
  bool on_comment_part(text, code&) { return true; }
  bool on_comment(text, code&) { return true; }
};

}  // namespace

bool is_json(std::string_view text, std::size_t max_depth) {
  json::parse_options how;
  how.max_depth = max_depth;
  json::basic_parser<nothing> in(how);
  boost::system::error_code failed;
  const auto taken = in.write_some(false, text.data(), text.size(), failed);
  return !failed && in.done() && taken == text.size();
}

}  // namespace osvm::ledger
