// Lines of a file: offsets, source lines, suppressions. A small lexer that knows comments and strings only.
#include <algorithm>

#include "parse.hpp"

namespace osvm::audit {
namespace {

std::string_view trimmed_line(std::string_view s) {
  const auto first = s.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return s.substr(first, s.find_last_not_of(" \t\r\n") - first + 1);
}

// `// osvm-ignore[OSVM-A01]: reason`
void read_suppression(source_file& file, std::string_view comment, std::uint32_t line, bool whole_line) {
  constexpr std::string_view tag = "osvm-ignore[";
  const auto at = comment.find(tag);
  if (at == std::string_view::npos) return;
  const auto close = comment.find(']', at);
  if (close == std::string_view::npos) return;
  suppression s;
  s.checks = trimmed_line(comment.substr(at + tag.size(), close - at - tag.size()));
  auto rest = comment.substr(close + 1);
  if (!rest.empty() && rest.front() == ':') rest.remove_prefix(1);
  s.reason = trimmed_line(rest);
  s.line = line;
  s.whole_line = whole_line;
  s.first = s.last = line;
  file.suppressions.push_back(std::move(s));
}

struct scanner {
  source_file& file;
  std::string_view text;
  std::size_t i = 0;
  std::uint32_t line = 1;
  bool code = false;

  void newline() {
    if (code) ++file.sloc;
    code = false;
    ++line;
    file.lines.push_back(static_cast<std::uint32_t>(i + 1));
  }
  void line_comment() {
    const auto start = i;
    while (i < text.size() && text[i] != '\n') ++i;
    read_suppression(file, text.substr(start, i - start), line, !code);
  }
  void block_comment() {
    int depth = 0;
    while (i < text.size()) {
      if (text.compare(i, 2, "/*") == 0) {
        ++depth;
        i += 2;
      } else if (text.compare(i, 2, "*/") == 0) {
        i += 2;
        if (--depth == 0) return;
      } else {
        if (text[i] == '\n') newline();
        ++i;
      }
    }
  }
  void quoted() {
    code = true;
    for (++i; i < text.size() && text[i] != '"'; ++i) {
      if (text[i] == '\n') newline();
      code = true;
      if (text[i] == '\\' && i + 1 < text.size()) {
        ++i;
        if (text[i] == '\n') newline();
      }
    }
    ++i;
  }
  void run() {
    file.lines.assign(1, 0);
    while (i < text.size()) {
      const char c = text[i];
      if (c == '/' && text.compare(i, 2, "//") == 0) {
        line_comment();
        continue;
      }
      if (c == '/' && text.compare(i, 2, "/*") == 0) {
        block_comment();
        continue;
      }
      if (c == '"') {
        quoted();
        continue;
      }
      if (c == '\'' && i + 2 < text.size() && text[i + 1] == '"' && text[i + 2] == '\'') i += 2;
      if (c == '\n')
        newline();
      else if (c != ' ' && c != '\t' && c != '\r')
        code = true;
      ++i;
    }
    if (code) ++file.sloc;
  }
};

}  // namespace

void scan_lines(source_file& file) {
  scanner{file, file.text}.run();
  // A comment on a line of its own speaks for the next line that is not such a comment.
  for (auto it = file.suppressions.rbegin(); it != file.suppressions.rend(); ++it) {
    if (!it->whole_line) continue;
    it->last = it->line + 1;
    const auto below =
        std::find_if(file.suppressions.begin(), file.suppressions.end(),
                     [&](const suppression& s) { return s.whole_line && s.line == it->line + 1; });
    if (below != file.suppressions.end()) it->last = below->last;
  }
}

std::uint32_t source_file::line_of(std::uint32_t offset) const noexcept {
  const auto it = std::upper_bound(lines.begin(), lines.end(), offset);
  return static_cast<std::uint32_t>(it - lines.begin());
}

std::uint32_t source_file::column_of(std::uint32_t offset) const noexcept {
  const auto line = line_of(offset);
  return line == 0 ? 1 : offset - lines[line - 1] + 1;
}

const char* name_of(parse_state s) noexcept {
  switch (s) {
    case parse_state::complete: return "complete";
    case parse_state::errors: return "syntax that the parser could not read";
    case parse_state::too_deep: return "nested too deeply";
    case parse_state::too_large: return "larger than the bound";
    case parse_state::not_utf8: return "not UTF-8";
    case parse_state::unreadable: return "could not be read";
    case parse_state::timed_out: return "took the parser too long";
  }
  return "?";
}

}  // namespace osvm::audit
