// The report as Typst source: one file, no package, no other file. Everything that comes from the audited
// sources stands in string literals, so none of it is ever read as markup or code.
#include <osvm/audit/reports.hpp>
#include <osvm/core/text.hpp>

#include <algorithm>

#include "document.hpp"

namespace osvm::audit {
namespace {

std::string literal(std::string_view t, std::size_t limit = 4000) {
  std::string out = "\"";
  for (const char c : printable(t, limit)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// Labels hold letters, digits and a few marks; everything else becomes a dash.
std::string label(std::string_view anchor) {
  std::string out;
  for (const char c : anchor.substr(0, 120))
    out += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' ? c : '-';
  return "<" + out + ">";
}

constexpr const char* prelude = R"(#set page(paper: "a4", margin: (x: 2cm, y: 2.2cm), numbering: "1 / 1",
  header: context if counter(page).get().first() > 1 [#text(size: 8pt, fill: gray, report-title)])
#set text(size: 9.5pt)
#set par(justify: false)
#show heading.where(level: 1): it => block(above: 1.6em, below: 0.8em, text(size: 15pt, it.body))
#show heading.where(level: 2): it => block(above: 1.2em, below: 0.6em, text(size: 11.5pt, it.body))
#show link: set text(fill: rgb("1f5fa8"))
#let code-lines(first, lines) = block(fill: luma(245), inset: 6pt, width: 100%, breakable: true, {
  set text(font: "DejaVu Sans Mono", size: 7.5pt)
  for (i, line) in lines.enumerate() {
    text(fill: gray, str(first + i) + "  ")
    raw(line)
    linebreak()
  }
})
#let finding-head(color, title) = block(stroke: (left: 4pt + rgb(color)), inset: (left: 8pt, y: 3pt), above: 1.4em,
  heading(level: 3, outlined: false, text(title)))
#let drawing(width, height, nodes, lines) = box(width: width * 1pt, height: height * 1pt, {
  for (x1, y1, x2, y2, warning) in lines {
    place(top + left, line(start: (x1 * 1pt, y1 * 1pt), end: (x2 * 1pt, y2 * 1pt),
      stroke: if warning == 1 { (paint: rgb("c62828"), thickness: 0.8pt, dash: "dashed") } else { 0.6pt + luma(90) }))
  }
  for (name, x, y) in nodes {
    place(top + left, dx: x * 1pt, dy: y * 1pt, rect(width: 170pt, height: 20pt, stroke: 0.6pt, radius: 3pt,
      inset: 4pt, align(horizon, text(size: 8pt, name))))
  }
})
)";

void write_table(std::string& out, const block& b) {
  if (b.rows.empty()) return;
  out += "#table(columns: (";
  for (std::size_t i = 0; i < b.rows[0].size(); ++i)
    out += (i < b.widths.size() ? std::to_string(static_cast<int>(b.widths[i] * 100)) + "fr"
                                : std::string("auto")) +
           ", ";
  out += "), stroke: 0.4pt + luma(180), inset: 4pt,\n";
  bool head = true;
  for (const auto& row : b.rows) {
    out += "  ";
    for (const auto& cell : row)
      out += (head ? "text(weight: \"bold\", " + literal(cell) + ")"
                   : "text(size: 8pt, " + literal(cell) + ")") +
             ", ";
    out += "\n";
    head = false;
  }
  out += ")\n\n";
}

void write_drawing(std::string& out, const graph& g) {
  const auto n = [](double v) { return std::to_string(static_cast<int>(v)); };
  out += "#drawing(" + n(g.width) + ", " + n(g.height) + ", (";
  for (const auto& node : g.nodes)
    out += "(" + literal(node.name) + ", " + n(node.x) + ", " + n(node.y) + "), ";
  out += "), (";
  for (const auto& l : g.lines)
    out += "(" + n(l.x1) + ", " + n(l.y1) + ", " + n(l.x2) + ", " + n(l.y2) + ", " + (l.warning ? "1" : "0") +
           "), ";
  out += "))\n\n";
}

void write_code(std::string& out, const block& b) {
  out += "#code-lines(" + std::to_string(b.level) + ", (";
  if (!b.rows.empty())
    for (auto line : b.rows[0]) {
      std::replace(line.begin(), line.end(), '\t', ' ');
      out += literal(line, 240) + ", ";
    }
  out += "))\n\n";
}

void write_block(std::string& out, const block& b) {
  switch (b.kind) {
    case block_kind::heading:
      out += "#heading(level: " + std::to_string(b.level) + ", text(" + literal(b.text) + "))";
      out += b.anchor.empty() ? "\n\n" : " " + label(b.anchor) + "\n\n";
      break;
    case block_kind::paragraph: out += "#text(" + literal(b.text) + ")\n\n"; break;
    case block_kind::link:
      out += "#link(" + label(b.anchor) + ", text(" + literal(b.text, 200) + ")) \\\n";
      break;
    case block_kind::finding:
      out += "#finding-head(" + literal(b.color) + ", " + literal(b.text) + ") " + label(b.anchor) + "\n\n";
      break;
    case block_kind::code: write_code(out, b); break;
    case block_kind::table: write_table(out, b); break;
    case block_kind::list:
      out += "#list(";
      for (const auto& row : b.rows)
        if (!row.empty()) out += "text(" + literal(row[0]) + "), ";
      out += ")\n\n";
      break;
    case block_kind::drawing: write_drawing(out, b.picture); break;
  }
}

}  // namespace

std::string to_typst(const report& r, const std::string& version) {
  const auto d = to_document(r, version);
  std::string out =
      "// Written by " + printable(d.footer) + "; compiles as it is: typst compile report.typ\n";
  out += "#let report-title = " + literal(d.title + ": " + d.subtitle) + "\n";
  out += "#set document(title: report-title)\n" + std::string(prelude);
  out += "#align(center, text(size: 24pt, weight: \"bold\", " + literal(d.title) + "))\n";
  out += "#align(center, text(size: 12pt, " + literal(d.subtitle) + "))\n";
  out += "#align(center, text(size: 9pt, fill: gray, " + literal(d.footer) + "))\n\n";
  bool links = false;
  for (const auto& b : d.blocks) {
    if (links && b.kind != block_kind::link) out += "\n";
    links = b.kind == block_kind::link;
    write_block(out, b);
  }
  return out;
}

}  // namespace osvm::audit
