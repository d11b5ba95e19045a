// The JSON report back as values: of a run in a VM or of an earlier one. What it holds is foreign: every
// field has its type and a bound, and anything else is refused by name.
#include <osvm/audit/reports.hpp>
#include <osvm/core/text.hpp>

#include <algorithm>
#include <boost/json/parse.hpp>

namespace osvm::audit {
namespace {

namespace json = boost::json;

constexpr std::size_t largest_report = 256u << 20;

class reading_failed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

const json::object& object_in(const json::value& v, const char* what) {
  if (!v.is_object()) throw reading_failed(std::string(what) + " is no object");
  return v.as_object();
}
const json::value* member(const json::object& o, const char* key) {
  return o.if_contains(key);
}
std::string string_in(const json::object& o, const char* key) {
  const auto* v = member(o, key);
  if (v == nullptr) return {};
  if (!v->is_string()) throw reading_failed(std::string(key) + " is no string");
  return std::string(v->as_string());
}
template <class Number>
Number number_in(const json::object& o, const char* key) {
  const auto* v = member(o, key);
  if (v == nullptr) return 0;
  json::error_code e;
  const auto n = v->to_number<Number>(e);
  if (e) throw reading_failed(std::string(key) + " is no number that fits");
  return n;
}
bool flag_in(const json::object& o, const char* key) {
  const auto* v = member(o, key);
  if (v == nullptr) return false;
  if (!v->is_bool()) throw reading_failed(std::string(key) + " is neither true nor false");
  return v->as_bool();
}
template <class F>
void each_in(const json::object& o, const char* key, const F& f) {
  const auto* v = member(o, key);
  if (v == nullptr) return;
  if (!v->is_array()) throw reading_failed(std::string(key) + " is no array");
  for (const auto& item : v->as_array()) f(item);
}

location location_in(const json::object& o) {
  const auto* v = member(o, "location");
  if (v == nullptr) return {};
  const auto& l = object_in(*v, "location");
  return {string_in(l, "file"), number_in<std::uint32_t>(l, "line"), number_in<std::uint32_t>(l, "column"),
          number_in<std::uint32_t>(l, "endLine"), number_in<std::uint32_t>(l, "endColumn")};
}

template <class Enum>
Enum named(const std::string& name, int last, const char* what) {
  for (int i = 0; i <= last; ++i)
    if (name == name_of(static_cast<Enum>(i))) return static_cast<Enum>(i);
  throw reading_failed(std::string("no ") + what + " is called " + printable(name, 40));
}

finding finding_in(const json::object& o) {
  finding f;
  f.check = string_in(o, "check");
  f.severity = named<severity>(string_in(o, "severity"), 4, "severity");
  f.confidence = named<confidence>(string_in(o, "confidence"), 2, "confidence");
  f.program = string_in(o, "program");
  f.instruction = string_in(o, "instruction");
  f.account = string_in(o, "account");
  f.message = string_in(o, "message");
  f.fix = string_in(o, "fix");
  f.where = location_in(o);
  f.excerpt = string_in(o, "excerpt");
  each_in(o, "evidence", [&](const json::value& v) {
    const auto& e = object_in(v, "evidence");
    f.seen.push_back({location_in(e), string_in(e, "text")});
  });
  f.fingerprint = string_in(o, "fingerprint");
  f.suppressed = flag_in(o, "suppressed");
  f.reason = string_in(o, "reason");
  return f;
}

instruction_row row_in(const json::object& o) {
  instruction_row row;
  row.name = string_in(o, "name");
  row.where = location_in(o);
  row.truncated = flag_in(o, "truncated");
  each_in(o, "accounts", [&](const json::value& v) {
    const auto& a = object_in(v, "account");
    account_row r{string_in(a, "name"),   string_in(a, "type"), flag_in(a, "signer"),
                  flag_in(a, "writable"), flag_in(a, "owner"),  flag_in(a, "address"),
                  flag_in(a, "created"),  flag_in(a, "closed"), {},
                  location_in(a)};
    each_in(a, "boundTo", [&](const json::value& b) {
      if (b.is_string()) r.bound_to.emplace_back(b.as_string());
    });
    row.accounts.push_back(std::move(r));
  });
  each_in(o, "calls", [&](const json::value& v) {
    const auto& c = object_in(v, "call");
    row.calls.push_back(
        {string_in(c, "program"), string_in(c, "what"), flag_in(c, "pinned"), flag_in(c, "signedByProgram")});
  });
  each_in(o, "authorities", [&](const json::value& v) {
    const auto& a = object_in(v, "authority");
    row.authorities.push_back({string_in(a, "authority"), string_in(a, "over")});
  });
  return row;
}

program_summary program_in(const json::object& o) {
  program_summary p;
  p.name = string_in(o, "name");
  p.manifest = string_in(o, "manifest");
  p.files = number_in<std::uint32_t>(o, "files");
  p.functions = number_in<std::uint32_t>(o, "functions");
  p.instructions = number_in<std::uint32_t>(o, "instructions");
  p.accounts = number_in<std::uint32_t>(o, "accounts");
  p.anchor = flag_in(o, "anchor");
  p.truncated = flag_in(o, "truncated");
  each_in(o, "matrix", [&](const json::value& v) { p.rows.push_back(row_in(object_in(v, "instruction"))); });
  return p;
}

report report_in(const json::object& o) {
  report r;
  r.files = number_in<std::uint64_t>(o, "files");
  r.sloc = number_in<std::uint64_t>(o, "sloc");
  r.unreached = number_in<std::uint32_t>(o, "unreachedFiles");
  each_in(o, "programs",
          [&](const json::value& v) { r.programs.push_back(program_in(object_in(v, "program"))); });
  each_in(o, "findings",
          [&](const json::value& v) { r.findings.push_back(finding_in(object_in(v, "finding"))); });
  each_in(o, "unparsed", [&](const json::value& v) {
    const auto& u = object_in(v, "unparsed file");
    r.unparsed.push_back({string_in(u, "file"), string_in(u, "why"), number_in<std::uint32_t>(u, "line")});
  });
  each_in(o, "unusedSuppressions", [&](const json::value& v) {
    if (v.is_string()) r.unused_suppressions.emplace_back(v.as_string());
  });
  if (const auto* m = member(o, "madeFrom")) {
    const auto& made = object_in(*m, "madeFrom");
    r.made_from = {string_in(made, "sources"), string_in(made, "rules"), string_in(made, "settings")};
  }
  return r;
}

}  // namespace

result<report> parse_report(std::string_view text) {
  if (text.size() > largest_report) return error(errc::limit_exceeded, "a report of more than 256 MiB");
  json::error_code e;
  const auto value = json::parse(text, e);
  if (e) return error(errc::malformed, "a report: " + e.message());
  try {
    return report_in(object_in(value, "a report"));
  } catch (const reading_failed& why) {
    return error(errc::malformed, std::string("a report: ") + why.what());
  }
}

}  // namespace osvm::audit
