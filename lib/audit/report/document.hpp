// A report as pages have it: headings, paragraphs, tables, code, drawings, in order. What prints it (Typst,
// PDF) knows nothing of audits. Strings are plain text of any content; whoever writes them escapes them.
#pragma once

#include <osvm/audit/audit.hpp>

#include "graph.hpp"

namespace osvm::audit {

enum class block_kind : std::uint8_t {
  heading,    // text, level 1..3, anchor
  paragraph,  // text
  link,       // text, to `anchor`; a line of the contents
  finding,    // text, a heading of its own with `color` as its bar; anchor
  code,       // rows[0] = lines, first line's number in `level`
  table,      // rows[0] is the head
  list,       // rows[i][0]
  drawing,    // picture
};

struct block {
  block_kind kind{};
  std::string text, anchor;
  std::uint32_t level = 0;
  std::string color;  // "c62828"
  std::vector<std::vector<std::string>> rows;
  std::vector<double> widths;  // of a table's columns, relative
  graph picture;
};

struct document {
  std::string title, subtitle, footer;
  std::vector<block> blocks;
};

document to_document(const report& r, const std::string& version);
// {"title":…,"blocks":[{"kind":"heading",…}]}: what osvm-pdf reads.
std::string to_json(const document& d);

}  // namespace osvm::audit
