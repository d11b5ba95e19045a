#include <osvm/audit/policy.hpp>
#include <osvm/core/text.hpp>

#include <boost/json.hpp>
#include <set>

#include "audit/report/json.hpp"

namespace osvm::audit {
namespace {

namespace json = boost::json;

constexpr std::size_t max_entries = 100'000;

error refused(const std::string& what) {
  return error(errc::malformed, "baseline: " + what);
}

std::string text_of(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_string() ? std::string(v->as_string()) : std::string();
}

// 2027-01-31; such dates compare as text.
bool is_date(std::string_view d) {
  if (d.size() != 10) return false;
  for (std::size_t i = 0; i < d.size(); ++i)
    if (i == 4 || i == 7 ? d[i] != '-' : (d[i] < '0' || d[i] > '9')) return false;
  return true;
}

}  // namespace

result<std::vector<baseline_entry>> parse_baseline(std::string_view text) {
  boost::system::error_code e;
  json::parse_options options;
  options.max_depth = 8;
  const auto v = json::parse(text, e, {}, options);
  if (e) return refused(e.message());
  const auto* o = v.if_object();
  const auto* version = o != nullptr ? o->if_contains("version") : nullptr;
  if (version == nullptr || !version->is_int64() || version->as_int64() != 1)
    return refused("\"version\" must be 1");
  const auto* all = o->if_contains("findings");
  if (all == nullptr || !all->is_array()) return refused("\"findings\" must be a list");
  if (all->as_array().size() > max_entries) return refused("too many findings");
  std::vector<baseline_entry> out;
  for (const auto& item : all->as_array()) {
    const auto* f = item.if_object();
    if (f == nullptr) return refused("a finding must be an object");
    baseline_entry b{text_of(*f, "fingerprint"), text_of(*f, "check"), text_of(*f, "file"),
                     text_of(*f, "reason"), text_of(*f, "until")};
    if (b.fingerprint.empty() || b.reason.empty())
      return refused("every finding needs its fingerprint and a reason");
    if (!b.until.empty() && !is_date(b.until)) return refused("\"until\" is a day like 2027-01-31");
    out.push_back(std::move(b));
  }
  return out;
}

std::string to_baseline(const report& r, const std::string& reason) {
  json_text j;
  j.open('{').field("version", 1).key("findings").open('[');
  for (const auto& f : r.findings) {
    if (f.suppressed) continue;
    j.open('{').field("fingerprint", f.fingerprint).field("check", f.check).field("file", f.where.file);
    j.field("reason", reason).close('}');
  }
  j.close(']').close('}');
  return j.take();
}

void apply(report& r, const std::vector<baseline_entry>& baseline, const std::string& today) {
  std::map<std::string_view, const baseline_entry*> accepted;
  for (const auto& b : baseline)
    if (b.until.empty() || today <= b.until) accepted.emplace(b.fingerprint, &b);
  std::set<std::string_view> used;
  for (auto& f : r.findings) {
    const auto it = accepted.find(f.fingerprint);
    if (it == accepted.end() || f.suppressed) continue;
    f.suppressed = true;
    f.reason = "baseline: " + it->second->reason;
    used.insert(it->first);
  }
  for (const auto& b : baseline)
    if (!used.contains(b.fingerprint))
      r.unused_suppressions.push_back("baseline: " + printable(b.check) + " in " + printable(b.file) +
                                      (accepted.contains(b.fingerprint) ? "" : " (over on " + b.until + ")"));
}

}  // namespace osvm::audit
