#include <osvm/audit/own_checks.hpp>
#include <osvm/core/blake3.hpp>
#include <osvm/core/text.hpp>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>

namespace osvm::audit {
namespace {

namespace json = boost::json;

constexpr std::size_t largest_input = 1u << 20, most_checks = 1000, most_findings_added = 20'000;

// * stands for anything; everything else for itself.
bool fits(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

struct condition {
  std::optional<std::string> program, instruction, account, type, calls;
  std::optional<bool> signer, writable, owner, address, created, closed, bound, pinned;

  bool holds(const program_summary& p, const instruction_row& in, const account_row& a) const {
    const auto text = [](const std::optional<std::string>& pattern, const std::string& value) {
      return !pattern || fits(*pattern, value);
    };
    const auto flag = [](const std::optional<bool>& wanted, bool value) {
      return !wanted || *wanted == value;
    };
    return text(program, p.name) && text(instruction, in.name) && text(account, a.name) &&
           text(type, a.type) && flag(signer, a.signer) && flag(writable, a.writable) &&
           flag(owner, a.owner) && flag(address, a.address) && flag(created, a.created) &&
           flag(closed, a.closed) && flag(bound, bound_to_signer(in, a)) && called(in);
  }

 private:
  static bool bound_to_signer(const instruction_row& in, const account_row& a) {
    return std::any_of(a.bound_to.begin(), a.bound_to.end(), [&](const std::string& name) {
      return std::any_of(in.accounts.begin(), in.accounts.end(),
                         [&](const account_row& other) { return other.name == name && other.signer; });
    });
  }
  bool called(const instruction_row& in) const {
    if (!calls && !pinned) return true;
    return std::any_of(in.calls.begin(), in.calls.end(), [&](const call_row& c) {
      return (!calls || fits(*calls, c.what)) && (!pinned || *pinned == c.pinned);
    });
  }
};

class reading_failed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

std::string string_at(const json::object& o, const char* key, bool needed) {
  const auto* v = o.if_contains(key);
  if (v == nullptr && !needed) return {};
  if (v == nullptr || !v->is_string()) throw reading_failed(std::string(key) + " must be a string");
  return std::string(v->as_string());
}

condition condition_at(const json::object& o) {
  condition c;
  const std::pair<const char*, std::optional<std::string>*> patterns[] = {{"program", &c.program},
                                                                          {"instruction", &c.instruction},
                                                                          {"account", &c.account},
                                                                          {"type", &c.type},
                                                                          {"calls", &c.calls}};
  const std::pair<const char*, std::optional<bool>*> flags[] = {
      {"signer", &c.signer},   {"writable", &c.writable}, {"owner", &c.owner}, {"address", &c.address},
      {"created", &c.created}, {"closed", &c.closed},     {"bound", &c.bound}, {"pinned", &c.pinned}};
  for (const auto& member : o) {
    const std::string_view key = member.key();  // no structured binding: clang 14 captures none
    const auto& value = member.value();
    const auto pattern =
        std::find_if(std::begin(patterns), std::end(patterns), [&](auto& p) { return key == p.first; });
    const auto flag =
        std::find_if(std::begin(flags), std::end(flags), [&](auto& f) { return key == f.first; });
    if (pattern != std::end(patterns) && value.is_string())
      *pattern->second = std::string(value.as_string());
    else if (flag != std::end(flags) && value.is_bool())
      *flag->second = value.as_bool();
    else
      throw reading_failed("when." + printable(key, 40) + " is no condition, or not of its type");
  }
  if (o.empty()) throw reading_failed("when says nothing: every account would be found");
  return c;
}

void replace_all(std::string& text, std::string_view what, const std::string& with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

severity severity_named(const std::string& name) {
  for (int i = 0; i < 5; ++i)
    if (name == name_of(static_cast<severity>(i))) return static_cast<severity>(i);
  throw reading_failed("severity must be info, low, medium, high or critical");
}

own_check check_at(const json::object& o) {
  for (const auto& [key, value] : o) {
    static constexpr std::string_view keys[] = {"id",        "name", "title",   "severity", "cwe",
                                                "rationale", "fix",  "message", "when"};
    if (std::find(std::begin(keys), std::end(keys), key) == std::end(keys))
      throw reading_failed("nothing of a check is called " + printable(key, 40));
  }
  own_check c;
  c.info.id = string_at(o, "id", true);
  c.info.title = string_at(o, "title", true);
  c.info.name = string_at(o, "name", false);
  if (c.info.name.empty()) c.info.name = c.info.id;
  c.info.severity = severity_named(string_at(o, "severity", true));
  c.info.confidence = confidence::strong;
  c.info.rationale = string_at(o, "rationale", false);
  c.info.fix = string_at(o, "fix", false);
  if (const auto* cwe = o.if_contains("cwe")) {
    if (!cwe->is_int64() || cwe->as_int64() < 0 || cwe->as_int64() > 100'000)
      throw reading_failed("cwe must be a number");
    c.info.cwe = static_cast<int>(cwe->as_int64());
  }
  auto message = string_at(o, "message", false);
  if (message.empty()) message = c.info.title + ": `{account}` of `{instruction}`";
  const auto* when = o.if_contains("when");
  if (when == nullptr || !when->is_object()) throw reading_failed("when must be an object");
  c.judge = [message, when = condition_at(when->as_object())](
                const program_summary& p, const instruction_row& in,
                const account_row& a) -> std::optional<std::string> {
    if (!when.holds(p, in, a)) return {};
    auto out = message;
    replace_all(out, "{account}", a.name);
    replace_all(out, "{type}", a.type);
    replace_all(out, "{instruction}", in.name);
    return out;
  };
  return c;
}

std::string fingerprint_of(const finding& f) {
  static constexpr char hex[] = "0123456789abcdef";
  const auto hash =
      blake3_hash(as_bytes(f.check + '\n' + f.program + '\n' + f.instruction + '\n' + f.account));
  std::string out;
  for (std::size_t i = 0; i < 16; ++i) {
    out += hex[static_cast<unsigned>(hash[i]) >> 4];
    out += hex[static_cast<unsigned>(hash[i]) & 15];
  }
  return out;
}

// Comments that nothing of ours matched may have meant this check.
void mark_by_comment(report& r, finding& f) {
  for (auto it = r.unused_suppressions.begin(); it != r.unused_suppressions.end(); ++it)
    for (const auto line : {f.where.line, f.where.line - 1}) {
      if (*it != f.where.file + ":" + std::to_string(line) + ": " + f.check) continue;
      f.suppressed = true;
      f.reason = "a comment in the source";
      r.unused_suppressions.erase(it);
      return;
    }
}

finding made(const own_check& c, const program_summary& p, const instruction_row& in, const account_row& a,
             std::string message) {
  finding f;
  f.check = c.info.id;
  f.severity = c.info.severity;
  f.confidence = c.info.confidence;
  f.program = p.name;
  f.instruction = in.name;
  f.account = a.name;
  f.message = std::move(message);
  f.fix = c.info.fix;
  f.where = a.where.line != 0 ? a.where : in.where;
  f.fingerprint = fingerprint_of(f);
  return f;
}

}  // namespace

result<std::vector<own_check>> parse_own_checks(std::string_view text) {
  if (text.size() > largest_input) return error(errc::limit_exceeded, "checks of more than 1 MiB");
  json::error_code e;
  const auto value = json::parse(text, e);
  if (e) return error(errc::malformed, "own checks: " + e.message());
  std::vector<own_check> out;
  try {
    const auto* all = value.is_object() ? value.as_object().if_contains("checks") : nullptr;
    if (all == nullptr || !all->is_array())
      throw reading_failed("an object with \"checks\": [...] is needed");
    if (all->as_array().size() > most_checks) throw reading_failed("more than 1000 checks");
    for (const auto& c : all->as_array()) {
      if (!c.is_object()) throw reading_failed("a check is no object");
      try {
        out.push_back(check_at(c.as_object()));
      } catch (const reading_failed& why) {
        throw reading_failed("check " + std::to_string(out.size() + 1) + ": " + why.what());
      }
    }
  } catch (const reading_failed& why) {
    return error(errc::malformed, std::string("own checks: ") + why.what());
  }
  return out;
}

result<void> add_own_findings(report& r, std::span<const own_check> own) {
  std::vector<std::string> ids;
  for (const auto& c : own) {
    const bool taken = c.info.id.empty() || c.info.id.starts_with("OSVM-") ||
                       std::find(ids.begin(), ids.end(), c.info.id) != ids.end();
    if (taken)
      return error(errc::invalid_argument,
                   "own checks: the id " + printable(c.info.id, 60) + " is taken, or empty");
    ids.push_back(c.info.id);
  }
  std::size_t added = 0;
  for (const auto& c : own) {
    r.own_checks.push_back(c.info);
    for (const auto& p : r.programs)
      for (const auto& in : p.rows)
        for (const auto& a : in.accounts) {
          auto message = c.judge ? c.judge(p, in, a) : std::nullopt;
          if (!message) continue;
          if (++added > most_findings_added)
            return error(errc::limit_exceeded, "own checks: more than 20,000 findings");
          r.findings.push_back(made(c, p, in, a, std::move(*message)));
          mark_by_comment(r, r.findings.back());
        }
  }
  std::stable_sort(r.findings.begin(), r.findings.end(), [](const finding& a, const finding& b) {
    return std::tie(a.where.file, a.where.line, a.where.column, a.check) <
           std::tie(b.where.file, b.where.line, b.where.column, b.check);
  });
  return {};
}

}  // namespace osvm::audit
