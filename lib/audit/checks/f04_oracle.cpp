#include <algorithm>
#include <set>

#include "audit/engine/walk.hpp"
#include "check.hpp"

namespace osvm::audit {
namespace {

// Names of fields and methods that a function touches: what it looks at.
std::set<std::string_view> names_in(const node* body) {
  std::set<std::string_view> out;
  walk(body, [&](const node& n) {
    if (n.kind == node_kind::field || n.kind == node_kind::method) out.insert(n.text);
    if (n.kind == node_kind::path) out.insert(last_segment(n.text));
  });
  return out;
}

bool any_of(const std::set<std::string_view>& names, std::initializer_list<std::string_view> wanted) {
  return std::any_of(wanted.begin(), wanted.end(), [&](std::string_view w) { return names.contains(w); });
}

bool looks_at_age(const std::set<std::string_view>& names) {
  return any_of(names, {"publish_time", "valid_slot", "pub_slot", "last_slot", "publish_slot", "posted_slot",
                        "last_update_timestamp", "round_open_timestamp", "round_open_slot", "check_staleness",
                        "get_price_no_older_than", "is_stale"}) ||
         std::any_of(names.begin(), names.end(), [](std::string_view n) {
           return n.find("stale") != std::string_view::npos || n.find("STALE") != std::string_view::npos ||
                  n.find("max_age") != std::string_view::npos || n.find("MAX_AGE") != std::string_view::npos;
         });
}

void run_f04(const check& self, const program_view& v) {
  for (const auto& f : v.p.names.functions()) {
    if (f.item->body == nullptr) continue;
    const auto names = names_in(f.item->body);
    const bool raw_pyth = names.contains("agg");
    const bool unchecked = any_of(
        names, {"get_price_unchecked", "get_ema_price_unchecked", "get_current_price", "get_ema_price"});
    if (!raw_pyth && !unchecked) continue;
    const bool age = looks_at_age(names);
    const bool status = any_of(names, {"status", "Trading", "get_price_status"});
    walk(f.item->body, [&](const node& n) {
      const bool price = n.kind == node_kind::field && n.text == "price" &&
                         n.kids[0]->kind == node_kind::field && n.kids[0]->text == "agg";
      const bool call = n.kind == node_kind::method &&
                        (n.text == "get_price_unchecked" || n.text == "get_ema_price_unchecked" ||
                         n.text == "get_current_price" || n.text == "get_ema_price");
      if (price && !status)
        v.report(self, {f.file->id, n.begin, n.end},
                 "the price is used without looking at its status: while it is not trading it is no price")
            .topic = "status";
      if ((price || call) && !age)
        v.report(self, {f.file->id, n.begin, n.end},
                 "the price is used without looking at its age: an old one is taken for the market's")
            .topic = "age";
    });
  }
}

}  // namespace

extern const check f04_oracle_check;
const check f04_oracle_check{
    .id = "OSVM-F04",
    .name = "oracle-unchecked",
    .title = "An oracle's price is used without its age or status",
    .cwe = 20,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "Price accounts keep their last value when publishing stops. A program that does not look at the "
        "status and "
        "at the time of publication lends and liquidates at prices of another day.",
    .fix = "Use `get_price_no_older_than`, or refuse prices that are not trading or older than a bound.",
    .program = run_f04,
};

}  // namespace osvm::audit
