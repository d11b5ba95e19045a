#include "document.hpp"

#include <osvm/audit/reports.hpp>
#include <osvm/core/text.hpp>

#include <algorithm>

#include "json.hpp"

namespace osvm::audit {
namespace {

constexpr std::size_t most_findings = 2000;  // a book beyond that; JSON and SARIF have them all
constexpr std::uint32_t most_rows = 400;     // of one program's matrix

const char* bar_color(severity s) {
  static constexpr const char* colors[] = {"757575", "1f7ac4", "ef8e00", "c62828", "8e0038"};
  return colors[static_cast<int>(s)];
}

std::string location_shown(const location& l) {
  return l.file + ":" + std::to_string(l.line);
}

// Without the folders above: where it lay is nobody's business, and the same sources give the same report.
std::string last_name(std::string path) {
  while (path.ends_with('/')) path.pop_back();
  path.erase(0, path.rfind('/') + 1);
  return path.empty() || path == "." ? std::string("source of Solana programs") : path;
}

class writer {
 public:
  writer(const report& r, const std::string& version) : r_(r) {
    out_.title = "Audit";
    out_.subtitle = last_name(r.root);
    out_.footer = "osvm audit " + version;
    version_ = version;
  }

  document take() {
    order();
    contents();
    summary_page();
    for (const auto& p : r_.programs) program_page(p);
    findings_pages();
    coverage();
    rules();
    reproduce();
    return std::move(out_);
  }

 private:
  block& add(block_kind kind, std::string text = {}) {
    out_.blocks.push_back({});
    out_.blocks.back().kind = kind;
    out_.blocks.back().text = std::move(text);
    return out_.blocks.back();
  }
  void heading(std::uint32_t level, std::string text, std::string anchor = {}) {
    auto& b = add(block_kind::heading, std::move(text));
    b.level = level;
    b.anchor = std::move(anchor);
  }
  void link(std::string text, std::string anchor) {
    add(block_kind::link, std::move(text)).anchor = std::move(anchor);
  }

  void order() {
    for (int level = 4; level >= 0; --level)
      for (const auto& f : r_.findings)
        if (!f.suppressed && static_cast<int>(f.severity) == level) open_.push_back(&f);
    for (const auto& f : r_.findings)
      if (f.suppressed) suppressed_.push_back(&f);
    if (open_.size() > most_findings) open_.resize(most_findings);
    if (suppressed_.size() > most_findings) suppressed_.resize(most_findings);
  }
  static std::string heading_of(const finding& f, std::size_t number) {
    return std::to_string(number) + ". " + name_of(f.severity) + " " + f.check + ": " + f.message;
  }
  void contents() {
    heading(1, "Contents", "contents");
    link("Summary", "summary");
    for (const auto& p : r_.programs) link("Program " + p.name, "program-" + p.name);
    link("Findings", "findings");
    for (std::size_t i = 0; i < open_.size(); ++i)
      link("    " + heading_of(*open_[i], i + 1), "finding-" + std::to_string(i + 1));
    if (!suppressed_.empty()) link("Suppressed", "suppressed");
    link("Coverage", "coverage");
    link("Checks and ratings", "rules");
    link("Reproducing this report", "reproduce");
  }
  void summary_page() {
    heading(1, "Summary", "summary");
    auto& t = add(block_kind::table);
    t.rows = {{"severity", "findings"}};
    for (int level = 4; level >= 0; --level) {
      const auto s = static_cast<severity>(level);
      const auto n =
          std::count_if(open_.begin(), open_.end(), [&](const finding* f) { return f->severity == s; });
      t.rows.push_back({name_of(s), std::to_string(n)});
    }
    t.rows.push_back({"suppressed", std::to_string(suppressed_.size())});
    add(block_kind::paragraph,
        std::to_string(r_.files) + " files, " + std::to_string(r_.sloc) + " lines of code, " +
            std::to_string(r_.programs.size()) +
            " programs. What a reader of the source can see: no program was built or run.");
  }

  static std::string marks(const account_row& a) {
    std::string out;
    if (a.signer) out += "signer ";
    if (a.writable) out += "writable ";
    if (a.owner) out += "owner ";
    if (a.address) out += "address ";
    if (a.created) out += "created ";
    if (a.closed) out += "closed ";
    if (!out.empty()) out.pop_back();
    return out;
  }
  void matrix(const program_summary& p) {
    auto& t = add(block_kind::table);
    t.widths = {1.4, 1.7, 1.5, 1.0, 1.9};
    t.rows = {{"instruction", "account", "type", "proven", "bound to"}};
    std::uint32_t rows = 0;
    for (const auto& in : p.rows) {
      bool first = true;
      for (const auto& a : in.accounts) {
        if (++rows > most_rows) break;
        std::string bound;
        for (const auto& b : a.bound_to) bound += (bound.empty() ? "" : ", ") + b;
        t.rows.push_back({first ? in.name : "", a.name, a.type, marks(a), bound});
        first = false;
      }
      if (in.accounts.empty()) t.rows.push_back({in.name, "", "", "", ""});
    }
    if (rows > most_rows) add(block_kind::paragraph, "The matrix goes on; the JSON report has all of it.");
  }
  void program_page(const program_summary& p) {
    heading(1, "Program " + p.name, "program-" + p.name);
    add(block_kind::paragraph, (p.manifest.empty() ? "" : p.manifest + ": ") +
                                   std::to_string(p.instructions) + " instructions, " +
                                   std::to_string(p.accounts) + " accounts, " + std::to_string(p.functions) +
                                   " functions in " + std::to_string(p.files) + " files.");
    if (p.rows.empty()) return;
    heading(2, "Instructions and accounts");
    matrix(p);
    if (auto g = call_graph(p); !g.empty()) {
      heading(2, "Calls of other programs");
      add(block_kind::paragraph, "A red dashed line is a program that no check pins.");
      add(block_kind::drawing).picture = std::move(g);
    }
    if (auto g = authority_graph(p); !g.empty()) {
      heading(2, "Who decides over what");
      add(block_kind::drawing).picture = std::move(g);
    }
  }

  void one(const finding& f, const std::string& title, const std::string& anchor) {
    auto& b = add(block_kind::finding, title);
    b.anchor = anchor;
    b.color = bar_color(f.severity);
    std::string where = location_shown(f.where);
    if (!f.program.empty()) where += ", program " + f.program;
    if (!f.instruction.empty()) where += ", instruction " + f.instruction;
    add(block_kind::paragraph, where + " (confidence: " + name_of(f.confidence) + ")");
    if (!f.excerpt.empty()) {
      auto& c = add(block_kind::code);
      c.level = f.where.line;
      c.rows.emplace_back();
      for (std::size_t at = 0; at < f.excerpt.size();) {
        const auto end = std::min(f.excerpt.find('\n', at), f.excerpt.size());
        c.rows.back().push_back(f.excerpt.substr(at, end - at));
        at = end + 1;
      }
    }
    if (!f.seen.empty()) {
      auto& l = add(block_kind::list);
      for (const auto& e : f.seen) l.rows.push_back({location_shown(e.where) + ": " + e.text});
    }
    if (f.suppressed) add(block_kind::paragraph, "Suppressed: " + f.reason);
    add(block_kind::paragraph, "Fix: " + f.fix);
  }
  void findings_pages() {
    heading(1, "Findings", "findings");
    if (open_.empty()) add(block_kind::paragraph, "None.");
    for (std::size_t i = 0; i < open_.size(); ++i)
      one(*open_[i], heading_of(*open_[i], i + 1), "finding-" + std::to_string(i + 1));
    if (suppressed_.empty()) return;
    heading(1, "Suppressed", "suppressed");
    for (std::size_t i = 0; i < suppressed_.size(); ++i)
      one(*suppressed_[i], heading_of(*suppressed_[i], i + 1), "suppressed-" + std::to_string(i + 1));
  }
  void coverage() {
    heading(1, "Coverage", "coverage");
    std::size_t cut = 0, all = 0;
    for (const auto& p : r_.programs)
      for (const auto& in : p.rows) {
        ++all;
        cut += in.truncated ? 1 : 0;
      }
    const auto whole = r_.files - std::min<std::uint64_t>(r_.files, r_.unparsed.size());
    add(block_kind::paragraph, std::to_string(whole) + " of " + std::to_string(r_.files) +
                                   " files read wholly; " + std::to_string(all - cut) + " of " +
                                   std::to_string(all) + " instructions followed to their end; " +
                                   std::to_string(r_.unreached) +
                                   " files that no module names were left out.");
    if (!r_.unparsed.empty()) {
      auto& l = add(block_kind::list);
      for (const auto& u : r_.unparsed)
        l.rows.push_back({u.file + (u.line != 0 ? ":" + std::to_string(u.line) : "") + ": " + u.why});
    }
    add(block_kind::paragraph,
        "Not covered: business logic, items that the program's own macros make, traits implemented "
        "elsewhere, and "
        "checks behind calls that cannot be resolved.");
  }
  void rules() {
    heading(1, "Checks and ratings", "rules");
    add(block_kind::paragraph,
        "critical and high: funds or control are lost, by anybody. medium: the same under conditions, or a "
        "wrong "
        "result. low: makes other mistakes worse. info: worth knowing. Confidence: proof is a plain fact, "
        "strong "
        "means that the effect was seen and no proof, heuristic rests on names or shapes.");
    auto& t = add(block_kind::table);
    t.widths = {0.8, 0.7, 0.6, 3};
    t.rows = {{"check", "severity", "CWE", "what it finds"}};
    for (const auto& c : checks())
      t.rows.push_back({c.id, name_of(c.severity), std::to_string(c.cwe), c.title});
  }
  void reproduce() {
    heading(1, "Reproducing this report", "reproduce");
    add(block_kind::paragraph, "osvm audit " + version_ + "; sources " + r_.made_from.sources + "; rules " +
                                   r_.made_from.rules + "; settings " + r_.made_from.settings +
                                   ". The same three give the same findings, byte for byte.");
  }

  const report& r_;
  std::string version_;
  document out_;
  std::vector<const finding*> open_, suppressed_;
};

const char* name_of(block_kind k) {
  static constexpr const char* names[] = {"heading", "paragraph", "link", "finding",
                                          "code",    "table",     "list", "drawing"};
  return names[static_cast<int>(k)];
}

void write_picture(json_text& j, const graph& g) {
  j.open('{')
      .field("width", static_cast<std::uint64_t>(g.width))
      .field("height", static_cast<std::uint64_t>(g.height));
  j.key("nodes").open('[');
  for (const auto& n : g.nodes)
    j.open('{')
        .field("name", n.name)
        .field("x", static_cast<std::uint64_t>(n.x))
        .field("y", static_cast<std::uint64_t>(n.y))
        .close('}');
  j.close(']').key("lines").open('[');
  for (const auto& l : g.lines) {
    j.open('[').number(static_cast<std::uint64_t>(l.x1)).number(static_cast<std::uint64_t>(l.y1));
    j.number(static_cast<std::uint64_t>(l.x2))
        .number(static_cast<std::uint64_t>(l.y2))
        .number(l.warning ? 1 : 0)
        .close(']');
  }
  j.close(']').close('}');
}

}  // namespace

document to_document(const report& r, const std::string& version) {
  return writer(r, version).take();
}

std::string to_pages(const report& r, const std::string& version) {
  return to_json(to_document(r, version));
}

std::string to_json(const document& d) {
  json_text j;
  j.open('{').field("title", printable(d.title, 400)).field("subtitle", printable(d.subtitle, 400));
  j.field("footer", printable(d.footer, 400)).key("blocks").open('[');
  for (const auto& b : d.blocks) {
    j.open('{')
        .field("kind", name_of(b.kind))
        .field("text", printable(b.text, 4000))
        .field("anchor", b.anchor);
    j.field("level", b.level).field("color", b.color).key("rows").open('[');
    for (const auto& row : b.rows) {
      j.open('[');
      for (const auto& cell : row) j.string(printable(cell, 2000));
      j.close(']');
    }
    j.close(']').key("widths").open('[');
    for (const auto w : b.widths) j.number(static_cast<std::uint64_t>(w * 100));
    j.close(']');
    if (b.kind == block_kind::drawing) {
      j.key("picture");
      write_picture(j, b.picture);
    }
    j.close('}');
  }
  j.close(']').close('}');
  return j.take();
}

}  // namespace osvm::audit
