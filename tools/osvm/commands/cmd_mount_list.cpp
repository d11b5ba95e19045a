#include <osvm/core/clock.hpp>

#include <boost/json/array.hpp>

#include "../context.hpp"
#include "../policy_options.hpp"

namespace osvm::cli {
namespace {

class mount_list final : public invocation {
 public:
  void declare(option_set&) override {}
  int run(context& ctx) override {
    const auto all = known_mounts();
    if (!all) return ctx.fail(all.error());
    boost::json::array rows;
    text_table table{{"name", "host", "guest", "access", "quota"}};
    for (const auto& m : *all) {
      const char* access = m.grant.writable ? "rw" : "ro";
      const std::string quota = m.grant.quota_bytes == 0 ? "" : format_size(m.grant.quota_bytes);
      rows.push_back({{"name", m.name},
                      {"host", m.grant.host_path},
                      {"guest", m.grant.guest_path},
                      {"access", access},
                      {"quota_bytes", m.grant.quota_bytes}});
      table.push_back({m.name, m.grant.host_path, m.grant.guest_path, access, quota});
    }
    if (ctx.json()) {
      ctx.print_json({{"mounts", std::move(rows)}});
    } else if (all->empty()) {
      ctx.note("no mounts (try: osvm mount add NAME HOST:GUEST)");
    } else {
      ctx.print_table(table);
    }
    return static_cast<int>(exit_code::done);
  }
};

}  // namespace

extern const command cmd_mount_list_entry;
const command cmd_mount_list_entry{
    .path = "mount list",
    .summary = "print the named mounts",
    .examples = "  osvm mount list\n  osvm mount list --json",
    .make = make_invocation<mount_list>,
};

}  // namespace osvm::cli
