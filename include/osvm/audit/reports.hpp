// Reports for people, beside those of audit.hpp: every text of the audited sources is escaped.
#pragma once

#include <osvm/audit/audit.hpp>

namespace osvm::audit {

// For a pull request or a repository.
std::string to_markdown(const report& r, const std::string& version);
// One file that loads nothing: filterable, dark and light, printable.
std::string to_html(const report& r, const std::string& version);
// The checks themselves.
std::string to_json(const std::vector<check_info>& checks);
// One check for readers, as docs/checks has it. `bad` and `good` are examples of source.
std::string to_page(const check_info& c, const std::string& bad, const std::string& good);

}  // namespace osvm::audit
