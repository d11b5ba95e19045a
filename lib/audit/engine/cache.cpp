#include "cache.hpp"

#include <osvm/audit/reports.hpp>
#include <osvm/core/blake3.hpp>

#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "audit/report/json.hpp"

namespace osvm::audit {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* format = "osvm-audit-cache-1";
constexpr std::size_t most_entries = 4000;
constexpr std::uintmax_t largest_entry = 64u << 20;

std::string hex_digest(const blake3& h) {
  static constexpr char hex[] = "0123456789abcdef";
  std::array<std::byte, 32> bytes;
  h.finish(bytes);
  std::string out;
  for (const auto b : bytes) {
    out += hex[static_cast<unsigned>(b) >> 4];
    out += hex[static_cast<unsigned>(b) & 15];
  }
  return out;
}

struct file_facts {
  std::string display;
  parse_state state{};
  std::uint32_t first_error_line = 0, sloc = 0;
  std::vector<suppression> suppressions;
};

std::string written(const project& p, const crate& c, const crate_result& r) {
  report wrapped;
  wrapped.findings = r.findings;
  wrapped.programs.push_back(r.summary);
  json_text j;
  j.open('{').field("format", format).key("program").boolean(r.program).field("unreached", c.unreached);
  j.field("report", to_json(wrapped)).key("files").open('[');
  for (const auto id : c.members) {
    const auto& f = p.files[id];
    j.open('{').field("display", f.display).field("state", static_cast<std::uint64_t>(f.state));
    j.field("errorLine", f.first_error_line).field("sloc", f.sloc).key("suppressions").open('[');
    for (const auto& s : f.suppressions) {
      j.open('{').field("checks", s.checks).field("reason", s.reason).field("line", s.line);
      j.field("first", s.first).field("last", s.last).key("whole").boolean(s.whole_line).close('}');
    }
    j.close(']').close('}');
  }
  j.close(']').close('}');
  return j.take();
}

std::uint32_t count(const json::object& o, const char* key) {
  return o.at(key).to_number<std::uint32_t>();
}

file_facts facts_in(const json::object& o) {
  file_facts f;
  f.display = o.at("display").as_string();
  const auto state = count(o, "state");
  if (state > static_cast<std::uint32_t>(parse_state::timed_out)) throw std::out_of_range("state");
  f.state = static_cast<parse_state>(state);
  f.first_error_line = count(o, "errorLine");
  f.sloc = count(o, "sloc");
  for (const auto& v : o.at("suppressions").as_array()) {
    const auto& s = v.as_object();
    f.suppressions.push_back({std::string(s.at("checks").as_string()),
                              std::string(s.at("reason").as_string()), count(s, "line"), count(s, "first"),
                              count(s, "last"), s.at("whole").as_bool()});
  }
  return f;
}

}  // namespace

struct result_cache::entry {
  crate_result result;
  std::uint32_t unreached = 0;
  std::vector<file_facts> files;
};

result_cache::result_cache(std::string folder, std::string rules)
    : folder_(std::move(folder)), rules_(std::move(rules)) {
  std::error_code ignored;
  fs::create_directories(folder_, ignored);
  fs::permissions(folder_, fs::perms::owner_all, ignored);
}

std::string result_cache::key_of(const project& p, const crate& c) const {
  blake3 all;
  const auto add = [&](std::string_view part) {
    all.update(as_bytes(std::to_string(part.size()) + ":"));
    all.update(as_bytes(part));
  };
  add(format);
  add(rules_);
  add(p.manifests);
  for (const auto* part : with_path_crates(p, c)) {
    add(part->name);
    add(part->manifest_display);
    for (const auto id : part->members) {
      add(p.files[id].display);
      add(p.files[id].text);
      add(std::to_string(static_cast<int>(p.files[id].state)));
    }
  }
  return hex_digest(all);
}

bool result_cache::holds(const project& p, const crate& c) {
  // Parsing changes what is known of the files, so the key is made now.
  const auto path = fs::path(folder_) / (keys_[&c] = key_of(p, c));
  std::error_code e;
  const auto size = fs::file_size(path, e);
  if (e || size > largest_entry) return false;
  std::ifstream in(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  try {
    const auto value = json::parse(text);
    const auto& o = value.as_object();
    auto made = std::make_shared<entry>();
    if (o.at("format").as_string() != format) return false;
    made->result.program = o.at("program").as_bool();
    made->unreached = count(o, "unreached");
    auto wrapped = parse_report(o.at("report").as_string());
    if (!wrapped || wrapped->programs.size() != 1) return false;
    made->result.summary = std::move(wrapped->programs[0]);
    made->result.findings = std::move(wrapped->findings);
    for (const auto& f : o.at("files").as_array()) made->files.push_back(facts_in(f.as_object()));
    if (made->files.size() != c.members.size()) return false;
    held_[&c] = std::move(made);
  } catch (const std::exception&) {
    return false;  // cut short or changed: made anew
  }
  fs::last_write_time(path, fs::file_time_type::clock::now(), e);
  return true;
}

void result_cache::restore(project& p, crate& c) {
  const auto& e = *held_.at(&c);
  c.program = e.result.program;
  c.unreached = e.unreached;
  for (std::size_t i = 0; i < c.members.size(); ++i) {
    auto& f = p.files[c.members[i]];
    f.state = e.files[i].state;
    f.first_error_line = e.files[i].first_error_line;
    f.sloc = e.files[i].sloc;
    f.suppressions = e.files[i].suppressions;
  }
}

crate_result result_cache::take(const crate& c) {
  return std::move(held_.at(&c)->result);
}

void result_cache::store(const project& p, const crate& c, const crate_result& r) {
  const auto key = keys_.find(&c);
  const bool certain = std::none_of(c.members.begin(), c.members.end(), [&](std::uint32_t id) {
    return p.files[id].state == parse_state::timed_out;  // another time it may be done in time
  });
  if (key == keys_.end() || !certain) return;
  const auto path = fs::path(folder_) / key->second;
  const auto part = path.string() + "." + std::to_string(::getpid()) + ".part";
  {
    std::ofstream out(part, std::ios::binary);
    out << written(p, c, r);
    if (!out.flush()) return;  // a cache that cannot be written is no error: the report is there
  }
  std::error_code e;
  fs::rename(part, path, e);
  if (e) fs::remove(part, e);
  prune();
}

// The entries that were not used for longest go.
void result_cache::prune() const {
  std::error_code e;
  std::vector<std::pair<fs::file_time_type, fs::path>> all;
  for (const auto& f : fs::directory_iterator(folder_, e)) all.emplace_back(f.last_write_time(e), f.path());
  if (all.size() <= most_entries) return;
  std::sort(all.begin(), all.end());
  for (std::size_t i = 0; i < all.size() - most_entries; ++i) fs::remove(all[i].second, e);
}

}  // namespace osvm::audit
