// Findings as Markdown: for a pull request's comment or a file in the repository.
#include <osvm/audit/reports.hpp>
#include <osvm/core/text.hpp>

#include <algorithm>

namespace osvm::audit {
namespace {

// Text of the audited sources: nothing in it may end or begin markup.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : printable(text, 2000)) {
    if (c == '<' || c == '>' || c == '&') {
      out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&amp;";
      continue;
    }
    if (std::string_view("\\*_{}[]()#+!|~").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// A fence longer than every run of back quotes inside.
std::string fence(std::string_view code) {
  std::size_t longest = 2, run = 0;
  for (const char c : code) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return std::string(longest + 1, '`');
}

std::string code_lines(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    std::string line(text.substr(at, end - at));
    std::replace(line.begin(), line.end(), '\t', ' ');
    out += printable(line, 240) + "\n";
    at = end + 1;
  }
  return out;
}

std::string place(const location& l) {
  return plain(l.file) + ":" + std::to_string(l.line);
}

void write_markdown(std::string& out, const finding& f, std::size_t number) {
  out += "### " + std::to_string(number) + ". " + name_of(f.severity) + ": " + f.check + " " +
         plain(f.message) + "\n\n";
  out += "At " + place(f.where);
  if (!f.instruction.empty()) out += ", instruction " + plain(f.instruction);
  out += ", confidence " + std::string(name_of(f.confidence)) + ".\n\n";
  const auto lines = code_lines(f.excerpt);
  if (!lines.empty()) {
    const auto marks = fence(lines);
    out += marks + "rust\n" + lines + marks + "\n\n";
  }
  for (const auto& e : f.seen) out += "- " + place(e.where) + ": " + plain(e.text) + "\n";
  if (!f.seen.empty()) out += "\n";
  if (f.suppressed) out += "Suppressed: " + plain(f.reason) + "\n\n";
  out += "Fix: " + plain(f.fix) + "\n\n";
}

void table_of_programs(std::string& out, const report& r) {
  if (r.programs.empty()) return;
  out += "| program | instructions | accounts | functions |\n|---|---:|---:|---:|\n";
  for (const auto& p : r.programs)
    out += "| " + plain(p.name) + " | " + std::to_string(p.instructions) + " | " +
           std::to_string(p.accounts) + " | " + std::to_string(p.functions) + " |\n";
  out += "\n";
}

}  // namespace

std::string to_markdown(const report& r, const std::string& version) {
  std::string out = "# Audit\n\n";
  std::size_t counts[5] = {}, suppressed = 0, number = 0;
  for (const auto& f : r.findings)
    if (f.suppressed)
      ++suppressed;
    else
      ++counts[static_cast<int>(f.severity)];
  for (int i = 4; i >= 0; --i)
    out += std::to_string(counts[i]) + " " + name_of(static_cast<severity>(i)) + (i > 0 ? ", " : "");
  out += "; " + std::to_string(suppressed) + " suppressed. " + std::to_string(r.files) + " files, " +
         std::to_string(r.sloc) + " lines of code.\n\n";
  table_of_programs(out, r);
  if (std::any_of(std::begin(counts), std::end(counts), [](std::size_t n) { return n > 0; }))
    out += "## Findings\n\n";
  for (int level = 4; level >= 0; --level)
    for (const auto& f : r.findings)
      if (!f.suppressed && static_cast<int>(f.severity) == level) write_markdown(out, f, ++number);
  if (suppressed > 0) out += "## Suppressed\n\n";
  for (const auto& f : r.findings)
    if (f.suppressed) write_markdown(out, f, ++number);
  if (!r.unparsed.empty()) out += "## Not wholly read\n\n";
  for (const auto& u : r.unparsed) out += "- " + plain(u.file) + ": " + plain(u.why) + "\n";
  if (!r.unparsed.empty()) out += "\n";
  return out + "osvm audit " + plain(version) + ", " + std::to_string(checks().size()) + " checks; sources " +
         r.made_from.sources + ", rules " + r.made_from.rules + ", settings " + r.made_from.settings + ".\n";
}

std::string to_comment(const report& r, const std::string& version) {
  constexpr std::size_t longest = 60'000;  // GitHub takes 65,536
  std::string out = "<!-- osvm-audit -->\n";
  std::size_t open = 0, told = 0;
  for (const auto& f : r.findings) open += f.suppressed ? 0 : 1;
  out += open == 0 ? "**osvm audit** found nothing.\n"
                   : "**osvm audit** found " + std::to_string(open) + ".\n\n";
  if (open > 0) out += "| severity | check | where | what |\n|---|---|---|---|\n";
  for (int level = 4; level >= 0; --level)
    for (const auto& f : r.findings) {
      if (f.suppressed || static_cast<int>(f.severity) != level) continue;
      const auto row = std::string("| ") + name_of(f.severity) + " | " + f.check + " | " + place(f.where) +
                       " | " + plain(f.message) + " |\n";
      if (out.size() + row.size() > longest) break;
      out += row;
      ++told;
    }
  if (told < open) out += "\n" + std::to_string(open - told) + " more are in the full report.\n";
  for (const auto& u : r.unparsed) {
    if (out.size() > longest) break;
    out += "\nNot wholly read: " + plain(u.file) + "\n";
  }
  return out + "\nosvm audit " + plain(version) + ", sources " + r.made_from.sources + "\n";
}

}  // namespace osvm::audit
