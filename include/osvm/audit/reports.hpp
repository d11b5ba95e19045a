// Reports for people, beside those of audit.hpp: every text of the audited sources is escaped.
#pragma once

#include <osvm/audit/audit.hpp>

#include <string_view>

namespace osvm::audit {

// For a pull request or a repository.
std::string to_markdown(const report& r, const std::string& version);
// A comment of a pull request: what is new in a table, at most 60,000 characters. Begins with a mark by which
// a comment of an earlier run is found.
std::string to_comment(const report& r, const std::string& version);
// What to_json() wrote, from wherever it comes: errc::malformed, errc::limit_exceeded.
result<report> parse_report(std::string_view json);
// One file that loads nothing: filterable, dark and light, printable.
std::string to_html(const report& r, const std::string& version);
// Typst source: compiles without packages and other files.
std::string to_typst(const report& r, const std::string& version);
// The report's pages as JSON, for `osvm-pdf`, which makes a PDF of them.
std::string to_pages(const report& r, const std::string& version);

// What a user's template makes, and so how {{values}} are escaped in it.
enum class template_kind {
  text,      // as they are
  html,      // .html, .xml, .svg
  markdown,  // .md
  quoted,    // .typ, .json: inside a string literal
};
// By the name of the template's file.
template_kind kind_of_template(std::string_view path) noexcept;
// A mustache template over the values of to_json(), and `version`. Refuses a template that is not
// well-formed.
result<std::string> by_template(const report& r, const std::string& version, const std::string& text,
                                template_kind kind);

// The checks themselves.
std::string to_json(const std::vector<check_info>& checks);
// One check for readers, as docs/checks has it. `bad` and `good` are examples of source.
std::string to_page(const check_info& c, const std::string& bad, const std::string& good);

}  // namespace osvm::audit
