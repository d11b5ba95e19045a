// Findings as one HTML file: no network, no script of others; readable without scripts, filterable with them.
#include <osvm/audit/reports.hpp>
#include <osvm/core/text.hpp>

#include <algorithm>

#include "graph.hpp"

namespace osvm::audit {
namespace {

std::string text(std::string_view t, std::size_t limit = 4000) {
  std::string out;
  for (const char c : printable(t, limit)) {
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

// Only what this file says may run; nothing is loaded.
constexpr const char* head = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Audit</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left; }
td.n { text-align: right; }
article { border: 1px solid var(--line); border-left-width: .4rem; border-radius: .3rem; margin: 1rem 0; padding: .2rem 1rem; }
article h3 { margin: .5rem 0; font-size: 1.05rem; } pre { overflow-x: auto; background: var(--soft); padding: .6rem; }
.critical, .high { border-left-color: #c62828; } .medium { border-left-color: #ef8e00; }
.low { border-left-color: #1f7ac4; } .info, .suppressed { border-left-color: #888; }
.where { font-family: ui-monospace, monospace; font-size: .9rem; } nav { margin: 1rem 0; } nav label { margin-right: 1rem; }
ol.lines { font: .9rem/1.4 ui-monospace, monospace; overflow-x: auto; background: var(--soft); margin: .5rem 0; padding: .6rem .6rem .6rem 4rem; }
ol.lines li { white-space: pre; } [hidden] { display: none; }
td.c { text-align: center; } .wide { overflow-x: auto; font-size: .85rem; } svg { max-width: 100%; height: auto; }
svg rect { fill: var(--soft); stroke: currentColor; stroke-width: .6; } svg text { font: 11px system-ui, sans-serif; fill: currentColor; }
svg line { stroke: currentColor; stroke-opacity: .5; stroke-width: .8; } svg line.unpinned { stroke: #c62828; stroke-opacity: 1; stroke-dasharray: 4 3; }
@media print { nav { display: none; } article { break-inside: avoid; } [hidden] { display: block; } }
</style>
</head>
<body>
)";

constexpr const char* script = R"(<script>
"use strict";
const articles = [...document.querySelectorAll("article")];
const boxes = [...document.querySelectorAll("nav input[type=checkbox]")];
const words = document.querySelector("nav input[type=search]");
function filter() {
  const on = new Set(boxes.filter(b => b.checked).map(b => b.value));
  const wanted = words.value.toLowerCase();
  for (const a of articles)
    a.hidden = !on.has(a.dataset.level) || !a.textContent.toLowerCase().includes(wanted);
}
for (const b of boxes) b.addEventListener("change", filter);
words.addEventListener("input", filter);
document.querySelector("nav").hidden = false;
</script>
)";

void code(std::string& out, const finding& f) {
  if (f.excerpt.empty()) return;
  out += "<ol class=\"lines\" start=\"" + std::to_string(f.where.line) + "\">\n";
  for (std::size_t at = 0; at < f.excerpt.size();) {
    const auto end = std::min(f.excerpt.find('\n', at), f.excerpt.size());
    std::string line = f.excerpt.substr(at, end - at);
    std::replace(line.begin(), line.end(), '\t', ' ');
    out += "<li>" + text(line, 240) + "</li>\n";
    at = end + 1;
  }
  out += "</ol>\n";
}

void write_html(std::string& out, const finding& f, std::size_t number) {
  const std::string level = f.suppressed ? "suppressed" : name_of(f.severity);
  out += "<article class=\"" + level + "\" data-level=\"" + level + "\" id=\"f" + std::to_string(number) +
         "\">\n<h3>" + level + " " + text(f.check) + ": " + text(f.message) + "</h3>\n";
  out += "<p class=\"where\">" + text(f.where.file) + ":" + std::to_string(f.where.line);
  if (!f.instruction.empty()) out += " in " + text(f.instruction);
  out += " (" + std::string(name_of(f.confidence)) + ")</p>\n";
  code(out, f);
  if (!f.seen.empty()) {
    out += "<ul>\n";
    for (const auto& e : f.seen)
      out += "<li><span class=\"where\">" + text(e.where.file) + ":" + std::to_string(e.where.line) +
             "</span> " + text(e.text) + "</li>\n";
    out += "</ul>\n";
  }
  if (f.suppressed) out += "<p>Suppressed: " + text(f.reason) + "</p>\n";
  out += "<p>Fix: " + text(f.fix) + "</p>\n</article>\n";
}

void summary_of(std::string& out, const report& r) {
  std::size_t counts[5] = {}, suppressed = 0;
  for (const auto& f : r.findings)
    if (f.suppressed)
      ++suppressed;
    else
      ++counts[static_cast<int>(f.severity)];
  out += "<h1>Audit</h1>\n<p>" + std::to_string(r.files) + " files, " + std::to_string(r.sloc) +
         " lines of code.</p>\n<nav hidden>\n";
  for (int i = 4; i >= 0; --i) {
    const std::string name = name_of(static_cast<severity>(i));
    out += "<label><input type=\"checkbox\" value=\"" + name + "\" checked> " + name + " (" +
           std::to_string(counts[i]) + ")</label>\n";
  }
  out += "<label><input type=\"checkbox\" value=\"suppressed\"> suppressed (" + std::to_string(suppressed) +
         ")</label>\n<label>Text <input type=\"search\"></label>\n</nav>\n";
}

void programs_of(std::string& out, const report& r) {
  if (r.programs.empty()) return;
  out +=
      "<table>\n<tr><th>program</th><th>instructions</th><th>accounts</th><th>functions</th><th>cut "
      "short</th></tr>\n";
  for (const auto& p : r.programs)
    out += "<tr><td>" + text(p.name) + "</td><td class=\"n\">" + std::to_string(p.instructions) +
           "</td><td class=\"n\">" + std::to_string(p.accounts) + "</td><td class=\"n\">" +
           std::to_string(p.functions) + "</td><td>" + (p.truncated ? "yes" : "no") + "</td></tr>\n";
  out += "</table>\n";
}

void draw(std::string& out, const graph& g, const std::string& title) {
  if (g.empty()) return;
  const auto n = [](double v) { return std::to_string(static_cast<int>(v)); };
  out += "<h3>" + title + "</h3>\n<svg role=\"img\" viewBox=\"-1 -1 " + n(g.width + 2) + " " +
         n(g.height + 2) + "\" width=\"" + n(g.width) + "\">\n";
  for (const auto& l : g.lines)
    out += "<line x1=\"" + n(l.x1) + "\" y1=\"" + n(l.y1) + "\" x2=\"" + n(l.x2) + "\" y2=\"" + n(l.y2) +
           "\"" + (l.warning ? " class=\"unpinned\"" : "") + "/>\n";
  for (const auto& node : g.nodes)
    out += "<rect x=\"" + n(node.x) + "\" y=\"" + n(node.y) + "\" width=\"" + n(graph::box_width) +
           "\" height=\"" + n(graph::box_height) + "\" rx=\"3\"/><text x=\"" + n(node.x + 6) + "\" y=\"" +
           n(node.y + 14) + "\">" + text(node.name) + "</text>\n";
  out += "</svg>\n";
}

constexpr std::size_t most_matrix_rows = 5000;  // of one program

void matrix_of(std::string& out, const program_summary& p) {
  static constexpr const char* yes = "<td class=\"c\">●</td>";
  static constexpr const char* no = "<td></td>";
  out +=
      "<div class=\"wide\"><table>\n<tr><th>instruction</th><th>account</th><th>type</th><th>signer</th>"
      "<th>writable</th><th>owner</th><th>address</th><th>created</th><th>closed</th><th>bound "
      "to</th></tr>\n";
  std::size_t rows = 0;
  for (const auto& in : p.rows) {
    bool first = true;
    for (const auto& a : in.accounts) {
      if (++rows > most_matrix_rows) break;
      out += "<tr><td>" + (first ? text(in.name) : std::string()) + "</td><td>" + text(a.name) + "</td><td>" +
             text(a.type) + "</td>";
      for (const bool mark : {a.signer, a.writable, a.owner, a.address, a.created, a.closed})
        out += mark ? yes : no;
      out += "<td>";
      for (std::size_t i = 0; i < a.bound_to.size(); ++i) out += (i > 0 ? ", " : "") + text(a.bound_to[i]);
      out += "</td></tr>\n";
      first = false;
    }
  }
  out += "</table></div>\n";
}

void models_of(std::string& out, const report& r) {
  for (const auto& p : r.programs) {
    if (p.rows.empty()) continue;
    out += "<h2 id=\"p-" + text(p.name) + "\">Program " + text(p.name) +
           "</h2>\n<details open><summary>Instructions and accounts"
           "</summary>\n";
    matrix_of(out, p);
    out += "</details>\n";
    draw(out, call_graph(p), "Calls of other programs (red: a program that no check pins)");
    draw(out, authority_graph(p), "Who decides over what");
  }
}

void coverage_of(std::string& out, const report& r) {
  std::size_t all = 0, cut = 0;
  for (const auto& p : r.programs)
    for (const auto& in : p.rows) {
      ++all;
      cut += in.truncated ? 1 : 0;
    }
  out += "<h2 id=\"coverage\">Coverage</h2>\n<p>" +
         std::to_string(r.files - std::min<std::uint64_t>(r.files, r.unparsed.size())) + " of " +
         std::to_string(r.files) + " files read wholly, " + std::to_string(all - cut) + " of " +
         std::to_string(all) + " instructions followed to their end, " + std::to_string(r.unreached) +
         " files that no module names left out.</p>\n";
}

}  // namespace

std::string to_html(const report& r, const std::string& version) {
  std::string out = head;
  summary_of(out, r);
  programs_of(out, r);
  out += "<h2 id=\"findings\">Findings</h2>\n";
  std::size_t number = 0;
  for (int level = 4; level >= 0; --level)
    for (const auto& f : r.findings)
      if (!f.suppressed && static_cast<int>(f.severity) == level) write_html(out, f, ++number);
  for (const auto& f : r.findings)
    if (f.suppressed) write_html(out, f, ++number);
  if (number == 0) out += "<p>No findings.</p>\n";
  models_of(out, r);
  coverage_of(out, r);
  if (!r.unparsed.empty()) {
    out += "<h2>Not wholly read</h2>\n<ul>\n";
    for (const auto& u : r.unparsed) out += "<li>" + text(u.file) + ": " + text(u.why) + "</li>\n";
    out += "</ul>\n";
  }
  out += "<p>osvm audit " + text(version) + ", " + std::to_string(checks().size()) + " checks; sources " +
         text(r.made_from.sources) + ", rules " + text(r.made_from.rules) + ", settings " +
         text(r.made_from.settings) + ": the same three give the same findings.</p>\n";
  return out + script + "</body>\n</html>\n";
}

}  // namespace osvm::audit
