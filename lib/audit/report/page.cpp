#include <osvm/audit/reports.hpp>

#include "json.hpp"

namespace osvm::audit {

std::string to_json(const std::vector<check_info>& checks) {
  json_text j;
  j.open('[');
  for (const auto& c : checks) {
    j.open('{').field("id", c.id).field("name", c.name).field("title", c.title);
    j.field("cwe", static_cast<std::uint64_t>(c.cwe)).field("severity", name_of(c.severity));
    j.field("confidence", name_of(c.confidence))
        .field("rationale", c.rationale)
        .field("fix", c.fix)
        .close('}');
  }
  j.close(']');
  return j.take();
}

std::string to_page(const check_info& c, const std::string& bad, const std::string& good) {
  std::string out = "# " + c.id + " " + c.name + "\n\n" + c.title + ".\n\n";
  out += "| severity | confidence | weakness |\n|---|---|---|\n| " + std::string(name_of(c.severity)) +
         " | " + name_of(c.confidence) + " | [CWE-" + std::to_string(c.cwe) +
         "](https://cwe.mitre.org/data/definitions/" + std::to_string(c.cwe) + ".html) |\n\n";
  out += c.rationale + "\n\n**Fix.** " + c.fix + "\n\n";
  out += "## Found\n\n```rust\n" + bad + "```\n\n## Not found\n\n```rust\n" + good + "```\n";
  return out;
}

}  // namespace osvm::audit
