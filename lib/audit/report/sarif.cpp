// SARIF 2.1.0 as GitHub's code scanning takes it.
#include <osvm/audit/audit.hpp>

#include <algorithm>

#include "json.hpp"

namespace osvm::audit {
namespace {

constexpr std::size_t max_results = 25'000;  // what code scanning accepts

const char* level_of(severity s) {
  return s >= severity::high ? "error" : s == severity::medium ? "warning" : "note";
}
const char* score_of(severity s) {
  static constexpr const char* scores[] = {"0.1", "3.0", "5.5", "8.0", "9.5"};
  return scores[static_cast<int>(s)];
}
const char* precision_of(confidence c) {
  return c == confidence::proof ? "very-high" : c == confidence::strong ? "high" : "medium";
}

// Bytes of a path that an URI reference may hold.
std::string uri(std::string_view path) {
  static constexpr char hex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : path) {
    const auto u = static_cast<unsigned char>(c);
    if (std::isalnum(u) || c == '/' || c == '.' || c == '-' || c == '_' || c == '~')
      out += c;
    else
      (out += '%') += {hex[u >> 4], hex[u & 15]};
  }
  return out;
}

void physical(json_text& j, const location& l) {
  j.key("physicalLocation").open('{').key("artifactLocation").open('{').field("uri", uri(l.file));
  j.field("uriBaseId", "SRCROOT").close('}').key("region").open('{').field("startLine", std::max(l.line, 1u));
  if (l.column > 0) j.field("startColumn", l.column);
  if (l.end_line >= l.line && l.end_line > 0) j.field("endLine", l.end_line);
  if (l.end_column > 0 && (l.end_line > l.line || l.end_column > l.column))
    j.field("endColumn", l.end_column);
  j.close('}').close('}');
}

void rule(json_text& j, const check_info& c) {
  j.open('{').field("id", c.id).field("name", c.name);
  j.key("shortDescription").open('{').field("text", c.title).close('}');
  j.key("fullDescription").open('{').field("text", c.rationale).close('}');
  j.key("help").open('{').field("text", c.rationale + "\n\nFix: " + c.fix);
  j.field("markdown", c.rationale + "\n\n**Fix:** " + c.fix).close('}');
  j.key("defaultConfiguration").open('{').field("level", level_of(c.severity)).close('}');
  j.key("properties").open('{').key("tags").open('[').string("security").string("solana");
  j.string("external/cwe/cwe-" + std::to_string(c.cwe)).close(']');
  j.field("precision", precision_of(c.confidence))
      .field("problem.severity",
             level_of(c.severity) == std::string_view("note") ? "recommendation" : level_of(c.severity));
  j.field("security-severity", score_of(c.severity)).close('}').close('}');
}

void write_sarif(json_text& j, const finding& f, std::size_t index) {
  j.open('{').field("ruleId", f.check).field("ruleIndex", index).field("level", level_of(f.severity));
  j.key("message").open('{').field("text", f.message + ". " + f.fix).close('}');
  j.key("locations").open('[').open('{');
  physical(j, f.where);
  if (!f.instruction.empty()) {
    j.key("logicalLocations")
        .open('[')
        .open('{')
        .field("fullyQualifiedName", f.program + "::" + f.instruction);
    j.field("kind", "function").close('}').close(']');
  }
  j.close('}').close(']');
  if (!f.seen.empty()) {
    j.key("relatedLocations").open('[');
    std::uint64_t id = 1;
    for (const auto& e : f.seen) {
      j.open('{').field("id", id++);
      physical(j, e.where);
      j.key("message").open('{').field("text", e.text).close('}').close('}');
    }
    j.close(']');
  }
  j.key("partialFingerprints").open('{').field("osvm/v1", f.fingerprint).close('}');
  if (f.suppressed)
    j.key("suppressions")
        .open('[')
        .open('{')
        .field("kind", "inSource")
        .field("justification", f.reason)
        .close('}')
        .close(']');
  j.key("properties")
      .open('{')
      .field("confidence", name_of(f.confidence))
      .field("severity", name_of(f.severity))
      .close('}');
  j.close('}');
}

}  // namespace

std::string to_sarif(const report& r, const std::string& version) {
  auto rules = checks();
  rules.insert(rules.end(), r.own_checks.begin(), r.own_checks.end());
  json_text j;
  j.open('{').field("$schema", "https://json.schemastore.org/sarif-2.1.0.json").field("version", "2.1.0");
  j.key("runs").open('[').open('{').key("tool").open('{').key("driver").open('{').field("name", "osvm audit");
  j.field("semanticVersion", version)
      .field("informationUri", "https://github.com/opensvm/libosvm")
      .key("rules")
      .open('[');
  for (const auto& c : rules) rule(j, c);
  j.close(']').close('}').close('}');
  j.field("columnKind", "utf16CodeUnits");
  j.key("automationDetails").open('{').field("id", "osvm-audit/").close('}');
  j.key("invocations")
      .open('[')
      .open('{')
      .key("executionSuccessful")
      .boolean(true)
      .key("toolExecutionNotifications")
      .open('[');
  for (const auto& u : r.unparsed) {
    j.open('{')
        .field("level", "warning")
        .key("message")
        .open('{')
        .field("text", u.file + ": " + u.why)
        .close('}');
    j.key("locations").open('[').open('{');
    physical(j, {u.file, u.line, 0, 0, 0});
    j.close('}').close(']').close('}');
  }
  j.close(']').close('}').close(']').key("results").open('[');
  std::size_t written = 0;
  for (const auto& f : r.findings) {
    if (written++ == max_results) break;
    const auto at =
        std::find_if(rules.begin(), rules.end(), [&](const check_info& c) { return c.id == f.check; });
    write_sarif(j, f, static_cast<std::size_t>(at - rules.begin()));
  }
  j.close(']').close('}').close(']').close('}');
  return j.take();
}

}  // namespace osvm::audit
