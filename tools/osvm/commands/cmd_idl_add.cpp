#include <boost/json/object.hpp>

#include "../idl_files.hpp"

namespace osvm::cli {
namespace {

class idl_add final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("FILE", file_, {}, "the IDL's JSON, or - for standard input");
    o.value("program", "ADDRESS", program_, "the program that it describes (default: what the file says)");
    o.flag("replace", replace_, "the program may have an IDL already");
  }
  int run(context& ctx) override {
    std::optional<solana::pubkey> program;
    if (!program_.empty()) {
      const auto key = solana::pubkey::parse(program_);
      if (!key)
        return ctx.fail(error(key.error().code, "--program: " + key.error().context), exit_code::usage);
      program = *key;
    }
    const auto done = add(program);
    if (!done) return ctx.fail(done.error());
    if (ctx.json())
      ctx.print_json(boost::json::object{{"added", done->to_string()}});
    else
      ctx.print("IDL of " + done->to_string() + " kept\n");
    return static_cast<int>(exit_code::done);
  }

 private:
  result<solana::pubkey> add(const std::optional<solana::pubkey>& program) const {
    OSVM_TRY(const auto folder, open_idl_folder());
    OSVM_TRY(const auto text, read_input(file_, solana::idl_limits{}.max_json));
    return folder->add(text, program, replace_);
  }
  std::string file_, program_;
  bool replace_ = false;
};

}  // namespace

extern const command cmd_idl_add_entry;
const command cmd_idl_add_entry{
    .path = "idl add",
    .summary = "keep a program's IDL (Anchor's of any version, or Shank's)",
    .examples =
        "  osvm idl add target/idl/my_program.json\n"
        "  osvm idl add old.json --program ADDRESS --replace\n"
        "  anchor idl fetch ADDRESS | osvm idl add -",
    .make = make_invocation<idl_add>,
};

}  // namespace osvm::cli
