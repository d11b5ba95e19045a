#include <osvm/audit/audit.hpp>
#include <osvm/core/blake3.hpp>
#include <osvm/core/text.hpp>

#include <algorithm>
#include <map>
#include <mutex>

#include "audit/engine/build_id.hpp"
#include "audit/engine/cache.hpp"
#include "audit/engine/rows.hpp"

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

// The first half of a digest is more than enough to tell findings apart.
std::string hex_of(std::span<const std::byte> hash) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < 16; ++i) {
    out += hex[static_cast<unsigned>(hash[i]) >> 4];
    out += hex[static_cast<unsigned>(hash[i]) & 15];
  }
  return out;
}

std::string digest(const std::string& text) {
  return hex_of(blake3_hash(as_bytes(text)));
}

std::string sources_of(const project& p) {
  blake3 all;
  for (const auto& f : p.files) {
    all.update(as_bytes(f.display + '\n' + std::to_string(f.text.size()) + '\n'));
    all.update(as_bytes(f.text));
  }
  std::array<std::byte, 32> hash;
  all.finish(hash);
  return hex_of(hash);
}

std::string rules_of() {
  std::string all;
  for (const auto* c : all_checks())
    all += std::string(c->id) + ' ' + name_of(c->severity) + ' ' + name_of(c->confidence) + '\n';
  return digest(all);
}

std::string settings_of(const options& o) {
  std::string all = std::to_string(o.max_file_bytes) + ' ' + std::to_string(o.max_files) + ' ' +
                    std::to_string(static_cast<int>(o.profile)) + '\n';
  for (const auto& c : o.only) all += c + '\n';
  return digest(all);
}

class crate_audit {
 public:
  crate_audit(const project& p, const crate& c, const options& o)
      : project_(p), crate_(c), options_(o), program_(p, c) {}

  void run() {
    if (options_.profile == profile::offchain)
      run_offchain();
    else
      run_program();
  }
  std::vector<finding> findings;
  program_summary summary_;

 private:
  void describe() {
    summary_.name = crate_.name;
    summary_.manifest = crate_.manifest_display;
    summary_.files = static_cast<std::uint32_t>(crate_.files.size());
    summary_.functions = static_cast<std::uint32_t>(program_.names.functions().size());
  }
  void run_offchain() {
    for (const auto* check : all_checks())
      if (wanted(*check) && check->offchain != nullptr) check->offchain(*check, program_view{program_, raw_});
    // What it depends on in the project is judged as itself.
    std::erase_if(raw_, [&](const raw_finding& r) {
      return std::find(crate_.files.begin(), crate_.files.end(), r.where.file) == crate_.files.end();
    });
    convert();
    describe();
  }
  void run_program() {
    build_model(program_);
    for (const auto* check : all_checks()) {
      if (!wanted(*check)) continue;
      if (check->instruction != nullptr)
        for (const auto& in : program_.instructions) check->instruction(*check, view(program_, in, raw_));
      if (check->program != nullptr) check->program(*check, program_view{program_, raw_});
    }
    convert();
    describe();
    summary_.instructions = static_cast<std::uint32_t>(program_.instructions.size());
    summary_.anchor = program_.anchor;
    for (const auto& in : program_.instructions) {
      summary_.rows.push_back(row_of(view(program_, in, raw_)));
      const auto& f = program_.names.functions()[static_cast<std::size_t>(in.function)];
      auto& row = summary_.rows.back();
      row.where = locate(*f.file, {f.file->id, f.item->begin, f.item->end});
      const auto spans = account_spans(view(program_, in, raw_));
      for (std::size_t i = 0; i < row.accounts.size() && i < spans.size(); ++i)
        row.accounts[i].where = locate(project_.files[spans[i].file], spans[i]);
      summary_.accounts += static_cast<std::uint32_t>(in.slots.size());
      summary_.truncated = summary_.truncated || in.capped;
    }
  }
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

// None when nothing tells this build from another.
std::optional<result_cache> cache_of(const options& o) {
  const auto build = build_id();
  if (o.cache.empty() || build.empty()) return {};
  return result_cache(o.cache, build + ' ' + rules_of() + ' ' + settings_of(o));
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
  auto cache = cache_of(o);
  if (cache) {
    po.known = [&](const project& all, const crate& c) { return cache->holds(all, c); };
    po.restore = [&](project& all, crate& c) { cache->restore(all, c); };
  }
  OSVM_CHECK(load_project(path, po, p));

  report out;
  out.root = path;
  std::vector<crate_result> results(p.crates.size());
  std::mutex progress;
  std::size_t done = 0;
  // Crates without a manifest may be either.
  const auto judged = [&](const crate& c) {
    return o.profile == profile::program ? c.program
                                         : !c.files.empty() && (!c.program || c.manifest_display.empty());
  };
  if (o.profile == profile::offchain)
    for (auto& c : p.crates)
      if (!c.known) c.program = judged(c);
  const auto programs = static_cast<std::size_t>(
      std::count_if(p.crates.begin(), p.crates.end(), [](const crate& c) { return c.program; }));
  for_each_parallel(p.crates.size(), po.threads, [&](std::size_t i, unsigned) {
    const auto& c = p.crates[i];
    if (!c.program) return;
    if (!c.known) {
      crate_audit a(p, c, o);
      a.run();
      results[i] = {c.program, std::move(a.summary_), std::move(a.findings)};
    }
    const std::lock_guard lock(progress);
    if (o.progress) o.progress(++done, programs);
  });
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (p.crates[i].known)
      results[i] = cache->take(p.crates[i]);
    else if (cache)
      cache->store(p, p.crates[i], results[i]);
    if (!p.crates[i].program) continue;
    out.programs.push_back(std::move(results[i].summary));
    std::move(results[i].findings.begin(), results[i].findings.end(), std::back_inserter(out.findings));
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
  out.made_from = {sources_of(p), rules_of(), settings_of(o)};
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
