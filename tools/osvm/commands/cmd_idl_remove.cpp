#include <boost/json/object.hpp>

#include "../idl_files.hpp"

namespace osvm::cli {
namespace {

class idl_remove final : public invocation {
 public:
  void declare(option_set& o) override { o.word("program", program_, {}, "the program's address"); }
  int run(context& ctx) override {
    const auto program = solana::pubkey::parse(program_);
    if (!program) return ctx.fail(program.error(), exit_code::usage);
    const auto folder = open_idl_folder();
    if (!folder) return ctx.fail(folder.error());
    const auto done = (*folder)->remove(*program);
    if (!done) return ctx.fail(done.error());
    if (ctx.json()) ctx.print_json(boost::json::object{{"removed", program->to_string()}});
    return static_cast<int>(exit_code::done);
  }

 private:
  std::string program_;
};

}  // namespace

extern const command cmd_idl_remove_entry;
const command cmd_idl_remove_entry{
    .path = "idl remove",
    .summary = "forget a program's IDL",
    .examples = "  osvm idl remove ADDRESS",
    .make = make_invocation<idl_remove>,
};

}  // namespace osvm::cli
