#include "listed_calls.hpp"

#include <osvm/unikernel/surface.hpp>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include <boost/json.hpp>

#include "../child_process.hpp"

namespace osvm::cli::bench {
namespace {

namespace json = boost::json;

// Names that x86-64 has: such lists name calls of all processors.
const std::set<std::string, std::less<>>& own_calls() {
  static const auto all = [] {
    std::set<std::string, std::less<>> names;
    for (unsigned n = 0; n < 512; ++n) names.insert(unikernel::call_name(n));
    return names;
  }();
  return all;
}

// A rule that holds for a plain container on this processor: no capability asked for, no other processor.
bool applies(const json::object& rule) {
  const json::value* action = rule.if_contains("action");
  if (!action || !action->is_string() || action->get_string() != "SCMP_ACT_ALLOW") return false;
  const json::value* includes = rule.if_contains("includes");
  if (!includes || !includes->is_object()) return true;
  const json::object& asked = includes->get_object();
  if (asked.contains("caps")) return false;
  const json::value* arches = asked.if_contains("arches");
  if (!arches || !arches->is_array()) return true;
  for (const json::value& a : arches->get_array())
    if (a.is_string() && (a.get_string() == "amd64" || a.get_string() == "x86_64")) return true;
  return false;
}

result<json::value> parse(std::string_view text, const char* what) {
  boost::system::error_code ec;
  auto value = json::parse(text, ec);
  if (ec) return error(errc::malformed, std::string(what) + ": " + ec.message());
  return value;
}

}  // namespace

result<std::size_t> count_allowed_calls(std::string_view seccomp_json) {
  OSVM_TRY(const auto list, parse(seccomp_json, "the seccomp list"));
  const json::value* rules = list.is_object() ? list.get_object().if_contains("syscalls") : nullptr;
  if (!rules || !rules->is_array()) return error(errc::malformed, "the seccomp list has no rules");
  std::set<std::string, std::less<>> allowed;
  for (const json::value& rule : rules->get_array()) {
    if (!rule.is_object() || !applies(rule.get_object())) continue;
    const json::value* names = rule.get_object().if_contains("names");
    if (!names || !names->is_array()) continue;
    for (const json::value& n : names->get_array())
      if (n.is_string() && own_calls().contains(std::string_view(n.get_string())))
        allowed.emplace(n.get_string());
  }
  return allowed.size();
}

result<std::size_t> container_default_calls(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return error(errc::not_found, path + " (Debian: golang-github-containers-common)");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  return count_allowed_calls(text);
}

// {"linux": {"amd64": {"syscalls": {"0": {"name": "read", "support": "Full Support"}, ...}}}}
result<std::size_t> count_implemented_calls(std::string_view runsc_json) {
  OSVM_TRY(const auto all, parse(runsc_json, "runsc syscalls"));
  boost::system::error_code ec;
  const json::value* calls = all.find_pointer("/linux/amd64/syscalls", ec);
  if (!calls || !calls->is_object()) return error(errc::malformed, "runsc syscalls: not the expected form");
  std::size_t n = 0;
  for (const auto& call : calls->get_object()) {
    const json::value* support =
        call.value().is_object() ? call.value().get_object().if_contains("support") : nullptr;
    const bool known = support && support->is_string();
    n += known && (support->get_string() == "Full Support" || support->get_string() == "Partial Support");
  }
  if (n == 0) return error(errc::malformed, "runsc syscalls: no call is said to be supported");
  return n;
}

result<std::size_t> gvisor_calls() {
  auto child =
      child_process::start({"runsc", "syscalls", "-format", "json", "-os", "linux", "-arch", "amd64"});
  if (!child) return error(errc::not_found, "runsc is not installed");
  OSVM_TRY(const auto text, child->finish());
  return count_implemented_calls(text);
}

}  // namespace osvm::cli::bench
