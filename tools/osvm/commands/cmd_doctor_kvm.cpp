#include "../facts_output.hpp"

namespace osvm::cli {
namespace {

class doctor_kvm final : public invocation {
 public:
  void declare(option_set&) override {}
  int run(context& ctx) override {
    const auto facts = kvm::probe_host();
    if (!facts) return ctx.fail(facts.error());
    if (ctx.json()) {
      ctx.print_json(facts_json(*facts));
    } else {
      ctx.print_table(facts_table(*facts));
      ctx.print(ctx.good("ready") + ": programs run with hardware isolation\n");
    }
    return static_cast<int>(exit_code::done);
  }
};

}  // namespace

extern const command cmd_doctor_kvm_entry;
const command cmd_doctor_kvm_entry{
    .path = "doctor kvm",
    .summary = "run the KVM self-test VM and print what this host can do",
    .examples = "  osvm doctor kvm\n  osvm doctor kvm --json",
    .make = make_invocation<doctor_kvm>,
};

}  // namespace osvm::cli
