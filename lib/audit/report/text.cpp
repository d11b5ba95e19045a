// Findings for a terminal, with code frames.
#include <osvm/audit/audit.hpp>
#include <osvm/core/text.hpp>

#include <algorithm>

namespace osvm::audit {
namespace {

struct painter {
  bool color;
  std::string operator()(const char* code, const std::string& text) const {
    return color ? "\x1b[" + std::string(code) + "m" + text + "\x1b[0m" : text;
  }
};

const char* color_of(severity s) {
  return s >= severity::high ? "1;31" : s == severity::medium ? "1;33" : "1;36";
}

// Source lines keep their tabs as one space each, so that the marker stands below what it marks.
std::string shown(std::string_view line) {
  std::string plain(line);
  std::replace(plain.begin(), plain.end(), '\t', ' ');
  return printable(plain, 200);
}

void frame(std::string& out, const finding& f, const painter& paint) {
  const auto width = std::to_string(f.where.end_line).size();
  std::uint32_t line = f.where.line;
  for (std::size_t at = 0; at < f.excerpt.size(); ++line) {
    const auto end = std::min(f.excerpt.find('\n', at), f.excerpt.size());
    const auto text = std::string_view(f.excerpt).substr(at, end - at);
    const auto number = std::to_string(line);
    out += paint("2", std::string(width - std::min(width, number.size()), ' ') + number + " | ") +
           shown(text) + "\n";
    if (line == f.where.line && f.where.column > 0) {
      const auto last =
          f.where.end_line == f.where.line ? f.where.end_column : static_cast<std::uint32_t>(text.size()) + 1;
      const auto length = std::min<std::uint32_t>(std::max(last, f.where.column + 1) - f.where.column, 120);
      out += paint("2", std::string(width, ' ') + " | ") +
             std::string(std::min(f.where.column - 1, 200u), ' ') +
             paint(color_of(f.severity), std::string(length, '^')) + "\n";
    }
    at = end + 1;
  }
}

void write_text(std::string& out, const finding& f, const painter& paint) {
  out += paint(color_of(f.severity), std::string(name_of(f.severity)) + " " + f.check) + " " +
         printable(f.message, 1000) + "\n";
  out += "  " + paint("2", "at ") + printable(f.where.file) + ":" + std::to_string(f.where.line) + ":" +
         std::to_string(f.where.column);
  if (!f.instruction.empty()) out += "  (" + printable(f.program) + ", " + printable(f.instruction) + ")";
  if (f.confidence == confidence::heuristic) out += "  [by names: look before you believe]";
  out += "\n";
  frame(out, f, paint);
  for (const auto& e : f.seen) {
    out +=
        "  " + printable(e.where.file) + ":" + std::to_string(e.where.line) + ": " + printable(e.text) + "\n";
  }
  if (f.suppressed) out += "  suppressed: " + printable(f.reason) + "\n";
  out += "  fix: " + f.fix + "\n\n";
}

}  // namespace

std::string to_text(const report& r, const text_style& style) {
  const painter paint{style.color};
  std::string out;
  std::size_t counts[5] = {}, suppressed = 0;
  for (const auto& f : r.findings) {
    if (f.suppressed)
      ++suppressed;
    else
      ++counts[static_cast<int>(f.severity)];
    if (!f.suppressed || style.suppressed) write_text(out, f, paint);
  }
  for (const auto& u : r.unparsed)
    out += "not wholly read: " + printable(u.file) + (u.line != 0 ? ":" + std::to_string(u.line) : "") +
           ": " + u.why + "\n";
  for (const auto& u : r.unused_suppressions) out += "suppression without a finding: " + printable(u) + "\n";
  for (const auto& p : r.programs)
    if (p.truncated) out += "analysis cut short by its bounds: " + printable(p.name) + "\n";
  std::size_t instructions = 0;
  for (const auto& p : r.programs) instructions += p.instructions;
  out += std::to_string(r.programs.size()) + " programs, " + std::to_string(instructions) +
         " instructions, " + std::to_string(r.files) + " files, " + std::to_string(r.sloc) +
         " lines of code\n";
  out += "findings: ";
  for (int i = 4; i >= 0; --i)
    out += std::to_string(counts[i]) + " " + name_of(static_cast<severity>(i)) + (i > 0 ? ", " : "");
  if (suppressed > 0) out += "; " + std::to_string(suppressed) + " suppressed";
  return out + "\n";
}

}  // namespace osvm::audit
