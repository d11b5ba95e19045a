#include "reading.hpp"

#include <osvm/core/text.hpp>

#include <boost/json/stream_parser.hpp>

#include <algorithm>

namespace osvm::solana::interface {

namespace json = boost::json;

const json::object& reading::object(const json::value* v) {
  static const json::object none;
  if (v && v->is_object()) return v->get_object();
  bad("an object is expected");
  return none;
}

const json::array& reading::array(const json::value* v) {
  static const json::array none;
  if (!v || v->is_null()) return none;
  if (v->is_array()) return v->get_array();
  bad("an array is expected");
  return none;
}

std::string_view reading::text(const json::value* v, std::string_view otherwise) {
  if (!v || v->is_null()) return otherwise;
  if (v->is_string()) return v->get_string();
  bad("a text is expected");
  return otherwise;
}

std::string reading::name(const json::value* v) {
  const auto t = text(v);
  if (t.empty()) return bad("a name is missing"), std::string();
  if (t.size() > limits.max_name)
    return fail(osvm::errc::limit_exceeded, "a name is too long"), std::string();
  const bool plain =
      std::ranges::all_of(t, [](char c) { return c > ' ' - 1 && c < 127 && c != '"' && c != '\\'; });
  if (!plain) return bad("a name with characters that names do not have"), std::string();
  return std::string(t);
}

std::uint64_t reading::number(const json::value& v) {
  if (v.is_int64() && v.get_int64() >= 0) return static_cast<std::uint64_t>(v.get_int64());
  if (v.is_uint64()) return v.get_uint64();
  bad("a number that is not negative is expected");
  return 0;
}

std::string reading::discriminator(const json::value* v) {
  std::string out;
  const auto& bytes = array(v);
  if (bytes.size() > limits.max_name)
    return fail(osvm::errc::limit_exceeded, "a discriminator is too long"), out;
  for (const auto& b : bytes) {
    const auto n = number(b);
    if (n > 255) bad("a discriminator is made of bytes");
    out.push_back(static_cast<char>(n));
  }
  return out;
}

std::string reading::where() const {
  if (section_.empty()) return {};
  return ", in " + section_ + (name_.empty() ? "" : " " + printable(name_, 64));
}

result<json::value> read_json(std::string_view text, const idl_limits& limits) {
  if (text.size() > limits.max_json)
    return error(osvm::errc::limit_exceeded,
                 "IDL: more than " + std::to_string(limits.max_json) + " bytes of JSON");
  json::parse_options options;
  options.max_depth = 64;
  boost::system::error_code failed;
  json::stream_parser parser({}, options);
  const auto at = parser.write_some(text.data(), text.size(), failed);
  if (!failed) parser.finish(failed);
  if (failed || text.find_first_not_of(" \t\r\n", at) != std::string_view::npos)
    return error(osvm::errc::malformed, "IDL: not JSON at byte " + std::to_string(at));
  return parser.release();
}

}  // namespace osvm::solana::interface
