#include <osvm/audit/audit.hpp>
#include <osvm/core/blake3.hpp>
#include <osvm/core/text.hpp>

#include <algorithm>
#include <map>
#include <mutex>

#include "audit/checks/check.hpp"

namespace osvm::audit {
namespace {

constexpr unsigned excerpt_lines = 6;

location locate(const source_file& f, const span& s) {
  const auto end = std::max(s.end, s.begin);
  return {f.display, f.line_of(s.begin), f.column_of(s.begin), f.line_of(end), f.column_of(end)};
}

std::string excerpt_of(const source_file& f, const location& at) {
  std::string out;
  for (std::uint32_t line = at.line; line <= at.end_line && line < at.line + excerpt_lines; ++line) {
    if (line == 0 || line > f.lines.size()) break;
    const auto begin = f.lines[line - 1];
    const auto end = line < f.lines.size() ? f.lines[line] - 1 : static_cast<std::uint32_t>(f.text.size());
    auto text = std::string_view(f.text).substr(begin, std::min<std::uint32_t>(end - begin, 240));
    while (text.ends_with('\r') || text.ends_with('\n')) text.remove_suffix(1);
    out += to_utf8(text);
    out += '\n';
  }
  return out;
}

// Tokens without white space, so that formatting does not change a fingerprint.
std::string squeezed(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 400))
    if (!std::isspace(static_cast<unsigned char>(c))) out += c;
  return out;
}

std::string digest(const std::string& text) {
  static constexpr char hex[] = "0123456789abcdef";
  const auto hash = blake3_hash(as_bytes(text));
  std::string out;
  for (std::size_t i = 0; i < 16; ++i) {
    out += hex[static_cast<unsigned>(hash[i]) >> 4];
    out += hex[static_cast<unsigned>(hash[i]) & 15];
  }
  return out;
}

class crate_audit {
 public:
  crate_audit(const project& p, const crate& c, const options& o)
      : project_(p), crate_(c), options_(o), program_(p, c) {}

  void run() {
    build_model(program_);
    for (const auto* check : all_checks()) {
      if (!wanted(*check)) continue;
      if (check->instruction != nullptr)
        for (const auto& in : program_.instructions) check->instruction(*check, view(program_, in, raw_));
      if (check->program != nullptr) check->program(*check, program_view{program_, raw_});
    }
    convert();
    summary_.name = crate_.name;
    summary_.manifest = crate_.manifest_display;
    summary_.files = static_cast<std::uint32_t>(crate_.files.size());
    summary_.instructions = static_cast<std::uint32_t>(program_.instructions.size());
    summary_.functions = static_cast<std::uint32_t>(program_.names.functions().size());
    summary_.anchor = program_.anchor;
    for (const auto& in : program_.instructions) {
      summary_.accounts += static_cast<std::uint32_t>(in.slots.size());
      summary_.truncated = summary_.truncated || in.capped;
    }
  }
  std::vector<finding> findings;
  program_summary summary_;

 private:
  bool wanted(const check& c) const {
    return options_.only.empty() ||
           std::any_of(options_.only.begin(), options_.only.end(),
                       [&](const std::string& x) { return x == c.id || x == c.name; });
  }
  void convert() {
    std::stable_sort(raw_.begin(), raw_.end(), [](const raw_finding& a, const raw_finding& b) {
      return std::tie(a.where, a.line) < std::tie(b.where, b.line);
    });
    std::set<std::tuple<const check*, span, std::uint32_t, std::string_view>> seen;
    std::map<std::string, int> ordinals;
    for (const auto& r : raw_) {
      // The same place by another instruction is one finding; another relation of the same account is not.
      if (!seen.insert({r.by, r.where, r.line, r.topic}).second) continue;
      finding f;
      f.check = r.by->id;
      f.severity = r.level;
      f.confidence = r.sure;
      f.program = crate_.name;
      f.message = r.message;
      f.fix = r.by->fix;
      if (r.account != no_term) f.account = program_.account_name(r.account);
      std::string item, snippet = r.message;
      if (r.function >= 0) {
        const auto& fn = program_.names.functions()[static_cast<std::size_t>(r.function)];
        f.instruction = fn.item->name;
        item = fn.item->name;  // without its module: moving a file changes nothing
      }
      if (!r.file.empty()) {
        f.where = {r.file, r.line, 1, r.line, 1};
      } else {
        const auto& file = project_.files[r.where.file];
        f.where = locate(file, r.where);
        f.excerpt = excerpt_of(file, f.where);
        snippet = squeezed(program_.text(r.where));
      }
      for (const auto& [where, text] : r.seen)
        if (where != r.where) f.seen.push_back({locate(project_.files[where.file], where), text});
      const std::string key = std::string(r.by->id) + '\n' + crate_.name + '\n' + item + '\n' + f.account +
                              '\n' + r.topic + '\n' + snippet;
      f.fingerprint = digest(key + '\n' + std::to_string(ordinals[key]++));
      findings.push_back(std::move(f));
    }
  }

  const project& project_;
  const crate& crate_;
  const options& options_;
  program program_;
  std::vector<raw_finding> raw_;
};

bool covers(const suppression& s, const finding& f) {
  if (f.where.line < s.first || f.where.line > s.last) return false;
  if (s.checks == "all") return true;
  for (std::size_t at = 0; at < s.checks.size();) {
    auto end = s.checks.find(',', at);
    if (end == std::string::npos) end = s.checks.size();
    std::string id = s.checks.substr(at, end - at);
    id.erase(std::remove(id.begin(), id.end(), ' '), id.end());
    if (id == f.check) return true;
    at = end + 1;
  }
  return false;
}

void suppress(const project& p, report& out) {
  std::map<std::string, const source_file*> files;
  for (const auto& f : p.files)
    if (!f.suppressions.empty()) files.emplace(f.display, &f);
  std::set<const suppression*> used;
  for (auto& f : out.findings) {
    const auto it = files.find(f.where.file);
    if (it == files.end()) continue;
    for (const auto& s : it->second->suppressions) {
      if (!covers(s, f) || s.reason.empty()) continue;  // a reason is part of it
      f.suppressed = true;
      f.reason = to_utf8(s.reason);
      used.insert(&s);
    }
  }
  for (const auto& [name, file] : files)
    for (const auto& s : file->suppressions)
      if (!used.contains(&s))
        out.unused_suppressions.push_back(name + ":" + std::to_string(s.line) + ": " + printable(s.checks) +
                                          (s.reason.empty() ? " (has no reason)" : ""));
}

}  // namespace

bool available() noexcept {
  return parser_available();
}

std::vector<check_info> checks() {
  std::vector<check_info> out;
  for (const auto* c : all_checks())
    out.push_back({c->id, c->name, c->title, c->rationale, c->fix, c->cwe, c->severity, c->confidence});
  return out;
}

result<report> run(const std::string& path, const options& o) {
  for (const auto& wanted : o.only)
    if (std::none_of(all_checks().begin(), all_checks().end(),
                     [&](const check* c) { return wanted == c->id || wanted == c->name; }))
      return error(errc::invalid_argument,
                   "no check is called " + printable(wanted) + " (osvm audit --list names them)");
  project p;
  project_options po;
  po.threads = std::max(1u, o.threads);
  po.max_files = o.max_files;
  po.max_bytes = o.max_bytes;
  po.limits.file_bytes = o.max_file_bytes;
  OSVM_CHECK(load_project(path, po, p));

  report out;
  out.root = path;
  std::vector<const crate*> programs;
  for (const auto& c : p.crates)
    if (c.program) programs.push_back(&c);
  std::vector<std::unique_ptr<crate_audit>> audits(programs.size());
  std::mutex progress;
  std::size_t done = 0;
  for_each_parallel(programs.size(), po.threads, [&](std::size_t i, unsigned) {
    auto a = std::make_unique<crate_audit>(p, *programs[i], o);
    a->run();
    audits[i] = std::move(a);
    const std::lock_guard lock(progress);
    if (o.progress) o.progress(++done, programs.size());
  });
  std::set<std::pair<std::string, location const*>> unique;
  for (auto& a : audits) {
    out.programs.push_back(a->summary_);
    std::move(a->findings.begin(), a->findings.end(), std::back_inserter(out.findings));
  }
  // A path crate that two programs share is judged once.
  std::set<std::tuple<std::string, std::string, std::uint32_t, std::uint32_t, std::string>> seen;
  std::erase_if(out.findings, [&](const finding& f) {
    return !seen.insert({f.check, f.where.file, f.where.line, f.where.column, f.message}).second;
  });
  std::stable_sort(out.findings.begin(), out.findings.end(), [](const finding& a, const finding& b) {
    return std::tie(a.where.file, a.where.line, a.where.column, a.check) <
           std::tie(b.where.file, b.where.line, b.where.column, b.check);
  });
  for (const auto& f : p.files) {
    ++out.files;
    out.sloc += f.sloc;
    if (f.state != parse_state::complete)
      out.unparsed.push_back({f.display, name_of(f.state), f.first_error_line});
  }
  out.unreached = p.unreached;
  suppress(p, out);
  return out;
}

std::size_t report::count(audit::severity at_least) const {
  return static_cast<std::size_t>(std::count_if(findings.begin(), findings.end(), [&](const finding& f) {
    return !f.suppressed && f.severity >= at_least;
  }));
}

const char* name_of(severity s) noexcept {
  static constexpr const char* names[] = {"info", "low", "medium", "high", "critical"};
  return names[static_cast<int>(s)];
}
const char* name_of(confidence c) noexcept {
  static constexpr const char* names[] = {"heuristic", "strong", "proof"};
  return names[static_cast<int>(c)];
}

}  // namespace osvm::audit
