// Checks of the embedder's own, over what reports say of instructions and accounts (finding.hpp): by a
// function, or as data. They run on a finished report, whoever made it. Any thread may call the functions
// here.
#pragma once

#include <osvm/audit/audit.hpp>

#include <functional>
#include <optional>
#include <span>
#include <string_view>

namespace osvm::audit {

struct own_check {
  check_info info;  // the id must not begin with "OSVM-"
  // Asked for each account of each instruction: the finding's message, or none. Called on the caller's
  // thread.
  std::function<std::optional<std::string>(const program_summary&, const instruction_row&,
                                           const account_row&)>
      judge;
};

// {"checks":[{"id":"ACME-1","name":…,"title":…,"severity":"high","cwe":862,"rationale":…,"fix":…,"message":…,
// "when":{…}}]}. `when`, all of which must hold: "program", "instruction", "account", "type" and "calls" are
// patterns with *; "signer", "writable", "owner", "address", "created", "closed", "bound" (to a signer) and
// "pinned" (every call of the instruction's) are true or false. "{account}", "{type}" and "{instruction}" in
// the message are filled in. errc::malformed names what is wrong and where.
result<std::vector<own_check>> parse_own_checks(std::string_view json);

// Adds what they find, in the report's order. A finding that a comment of the source names
// (osvm-ignore[ACME-1]: why) is suppressed. errc::invalid_argument for an id that is taken.
result<void> add_own_findings(report& r, std::span<const own_check> checks);

}  // namespace osvm::audit
