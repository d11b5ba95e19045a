// Reports by a user's mustache template. The values are those of the JSON report; how they are escaped
// depends on what the template makes, not only for HTML.
#include <osvm/audit/reports.hpp>
#include <osvm/core/text.hpp>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <kainjow/mustache.hpp>

namespace osvm::audit {
namespace {

using kainjow::mustache::data;
using kainjow::mustache::mustache;

constexpr std::size_t largest_template = 1u << 20;
constexpr std::size_t largest_output = 64u << 20;

std::string as_html(const std::string& s) {
  std::string out;
  for (const char c : s) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string as_markdown(const std::string& s) {
  std::string out;
  for (const char c : as_html(s)) {
    if (std::string_view("\\`*_{}[]()#+!|~").find(c) != std::string_view::npos) out += '\\';
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  return out;
}

// Inside a string literal, of Typst or of JSON.
std::string in_quotes(const std::string& s) {
  return json_escape(s);
}

std::string as_it_is(const std::string& s) {
  return s;
}

kainjow::mustache::basic_mustache<std::string>::escape_handler escape_for(template_kind kind) {
  switch (kind) {
    case template_kind::html: return as_html;
    case template_kind::markdown: return as_markdown;
    case template_kind::quoted: return in_quotes;
    case template_kind::text: break;
  }
  return as_it_is;
}

data value_of(const boost::json::value& v);

data object_of(const boost::json::object& o) {
  data out(data::type::object);
  for (const auto& [key, value] : o) {
    out.set(std::string(key), value_of(value));
    // {{#isHigh}}: mustache has no comparisons.
    if (key == "severity" && value.is_string()) {
      std::string name(value.as_string());
      if (!name.empty()) name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
      out.set("is" + name, data(data::type::bool_true));
    }
  }
  return out;
}

data value_of(const boost::json::value& v) {
  switch (v.kind()) {
    case boost::json::kind::object: return object_of(v.as_object());
    case boost::json::kind::array: {
      data out(data::type::list);
      std::uint64_t number = 0;
      for (const auto& item : v.as_array()) {
        auto each = value_of(item);
        if (item.is_object()) each.set("number", data(std::to_string(++number)));
        out.push_back(each);
      }
      return out;
    }
    case boost::json::kind::bool_: return data(v.as_bool() ? data::type::bool_true : data::type::bool_false);
    case boost::json::kind::string: return data(std::string(v.as_string()));
    case boost::json::kind::int64: return data(std::to_string(v.as_int64()));
    case boost::json::kind::uint64: return data(std::to_string(v.as_uint64()));
    default: return data(std::string());
  }
}

}  // namespace

template_kind kind_of_template(std::string_view path) noexcept {
  // report.html.mustache and report.html are the same.
  if (path.ends_with(".mustache")) path.remove_suffix(9);
  if (path.ends_with(".html") || path.ends_with(".htm") || path.ends_with(".xml") || path.ends_with(".svg"))
    return template_kind::html;
  if (path.ends_with(".md") || path.ends_with(".markdown")) return template_kind::markdown;
  if (path.ends_with(".typ") || path.ends_with(".json")) return template_kind::quoted;
  return template_kind::text;
}

result<std::string> by_template(const report& r, const std::string& version, const std::string& text,
                                template_kind kind) {
  if (text.size() > largest_template) return error(errc::limit_exceeded, "the template is larger than 1 MiB");
  try {
    mustache m(text);
    if (!m.is_valid()) return error(errc::invalid_argument, "the template: " + printable(m.error_message()));
    m.set_custom_escape(escape_for(kind));
    auto values = value_of(boost::json::parse(to_json(r)));
    values.set("version", data(version));
    std::string out;
    m.render(values, [&](const std::string& piece) {
      if (out.size() + piece.size() <= largest_output) out += piece;
    });
    if (!m.error_message().empty())
      return error(errc::invalid_argument, "the template: " + printable(m.error_message()));
    return out;
  } catch (const std::exception& e) {
    return error(errc::invalid_argument, std::string("the template: ") + e.what());
  }
}

}  // namespace osvm::audit
