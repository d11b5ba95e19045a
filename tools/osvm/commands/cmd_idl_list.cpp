#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <osvm/core/text.hpp>

#include "../idl_files.hpp"

namespace osvm::cli {
namespace {

class idl_list final : public invocation {
 public:
  void declare(option_set&) override {}
  int run(context& ctx) override {
    const auto folder = open_idl_folder();
    if (!folder) return ctx.fail(folder.error());
    const auto programs = (*folder)->list();
    if (!programs) return ctx.fail(programs.error());
    boost::json::array list;
    text_table table{{"PROGRAM", "NAME", "VERSION", "FORMAT", "INSTRUCTIONS", "ACCOUNTS", "EVENTS"}};
    bool damaged = false;
    for (const auto& program : *programs) {
      const auto described = (*folder)->load(program);
      damaged = damaged || !described;
      if (!described) {
        list.push_back(boost::json::object{{"program", program.to_string()},
                                           {"error", printable(described.error().to_string(), 4096)}});
        ctx.note(described.error().to_string());
        continue;
      }
      const auto& s = (*described)->summary();
      list.push_back(boost::json::object{{"program", program.to_string()},
                                         {"name", s.name},
                                         {"version", s.version},
                                         {"format", s.specification},
                                         {"instructions", s.instructions},
                                         {"accounts", s.accounts},
                                         {"events", s.events}});
      table.push_back({program.to_string(), printable(s.name), printable(s.version), s.specification,
                       std::to_string(s.instructions), std::to_string(s.accounts), std::to_string(s.events)});
    }
    if (ctx.json())
      ctx.print_json(boost::json::object{{"idls", std::move(list)}});
    else if (table.size() > 1)
      ctx.print_table(table);
    return static_cast<int>(damaged ? exit_code::partly : exit_code::done);
  }
};

}  // namespace

extern const command cmd_idl_list_entry;
const command cmd_idl_list_entry{
    .path = "idl list",
    .summary = "the programs whose IDLs are kept",
    .examples = "  osvm idl list\n  osvm idl list --json",
    .make = make_invocation<idl_list>,
};

}  // namespace osvm::cli
