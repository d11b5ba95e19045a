#include <osvm/audit/reports.hpp>

namespace osvm::audit {

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
