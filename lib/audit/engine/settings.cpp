#include <osvm/audit/audit.hpp>
#include <osvm/audit/policy.hpp>
#include <osvm/core/text.hpp>

#include <algorithm>
#include <charconv>
#include <set>

#include "audit/project/manifest.hpp"

namespace osvm::audit {
namespace {

error refused_settings(const std::string& what) {
  return error(errc::malformed, "settings: " + what);
}

std::optional<severity> severity_of(std::string_view name) {
  for (const auto s : {severity::info, severity::low, severity::medium, severity::high, severity::critical})
    if (name == name_of(s)) return s;
  return {};
}

bool is_check(std::string_view id) {
  const auto all = checks();
  return std::any_of(all.begin(), all.end(), [&](const check_info& c) { return c.id == id; });
}

// Lines that a file has new: [first, last].
using ranges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

bool number(std::string_view text, std::uint32_t& out) {
  const auto r = std::from_chars(text.data(), text.data() + text.size(), out);
  return r.ec == std::errc{} && r.ptr != text.data();
}

// "@@ -1,2 +3,4 @@": lines 3 to 6.
bool hunk(std::string_view line, ranges& out) {
  const auto plus = line.find(" +");
  if (plus == std::string_view::npos) return false;
  const auto rest = line.substr(plus + 2);
  std::uint32_t first = 0, count = 1;
  if (!number(rest, first)) return false;
  const auto end = rest.find_first_of(" ,");
  if (end != std::string_view::npos && rest[end] == ',' && !number(rest.substr(end + 1), count)) return false;
  if (count > 0) out.emplace_back(first, first + std::min(count, 0x7fffffffu - first) - 1);
  return true;
}

result<std::map<std::string, ranges>> parse_diff(std::string_view diff) {
  std::map<std::string, ranges> out;
  ranges* file = nullptr;
  while (!diff.empty()) {
    const auto end = std::min(diff.find('\n'), diff.size());
    auto line = diff.substr(0, end);
    diff.remove_prefix(std::min(end + 1, diff.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("+++ ")) {
      auto name = line.substr(4);
      if (name.starts_with("b/")) name.remove_prefix(2);
      if (const auto tab = name.find('\t'); tab != std::string_view::npos) name = name.substr(0, tab);
      file = name == "/dev/null" ? nullptr : &out[std::string(name)];
    } else if (line.starts_with("@@ ") && file != nullptr && !hunk(line, *file)) {
      return error(errc::malformed, "diff: " + printable(line));
    }
  }
  return out;
}

// Paths of a diff begin at the repository, those of findings at the audited folder.
bool same_file(std::string_view of_diff, std::string_view of_finding) {
  if (of_diff == of_finding) return true;
  return (of_diff.size() > of_finding.size() && of_diff.ends_with(of_finding) &&
          of_diff[of_diff.size() - of_finding.size() - 1] == '/') ||
         (of_finding.size() > of_diff.size() && of_finding.ends_with(of_diff) &&
          of_finding[of_finding.size() - of_diff.size() - 1] == '/');
}

bool touched(const std::map<std::string, ranges>& changed, const location& at) {
  for (const auto& [file, lines] : changed) {
    if (!same_file(file, at.file)) continue;
    for (const auto& [first, last] : lines)
      if (at.line <= last && std::max(at.end_line, at.line) >= first) return true;
  }
  return false;
}

}  // namespace

result<settings> parse_settings(std::string_view toml) {
  const auto m = parse_manifest(toml);
  if (m.broken) return refused_settings("a line is not TOML");
  settings out;
  for (const auto& [key, value] : m.values) {
    if (key == "audit" || key == "severity") continue;  // the tables themselves
    if (key == "audit.fail-on") {
      out.fail_on = severity_of(value.text);
      if (!out.fail_on) return refused_settings("line " + std::to_string(value.line) + ": no such severity");
    } else if (key == "audit.off") {
      out.off = value.list;
      for (const auto& id : out.off)
        if (!is_check(id)) return refused_settings("no check is called " + printable(id));
    } else if (key == "audit.ignore-paths") {
      out.ignored_paths = value.list;
    } else if (key.starts_with("severity.")) {
      const auto id = key.substr(9);
      const auto level = severity_of(value.text);
      if (!is_check(id)) return refused_settings("no check is called " + printable(id));
      if (!level) return refused_settings("line " + std::to_string(value.line) + ": no such severity");
      out.severities.emplace(id, *level);
    } else {
      return refused_settings("line " + std::to_string(value.line) + ": " + printable(key) +
                              " means nothing");
    }
  }
  return out;
}

void apply(report& r, const settings& s) {
  std::erase_if(r.findings, [&](const finding& f) {
    return std::find(s.off.begin(), s.off.end(), f.check) != s.off.end() ||
           std::any_of(s.ignored_paths.begin(), s.ignored_paths.end(),
                       [&](const std::string& p) { return f.where.file.starts_with(p); });
  });
  for (auto& f : r.findings)
    if (const auto it = s.severities.find(f.check); it != s.severities.end()) f.severity = it->second;
}

result<std::size_t> keep_touched(report& r, std::string_view diff) {
  OSVM_TRY(const auto changed, parse_diff(diff));
  return std::erase_if(r.findings, [&](const finding& f) {
    return !touched(changed, f.where) && std::none_of(f.seen.begin(), f.seen.end(), [&](const evidence& e) {
      return touched(changed, e.where);
    });
  });
}

}  // namespace osvm::audit
