#include <boost/json/value.hpp>
#include <boost/version.hpp>

#include "../command.hpp"
#include "../context.hpp"

namespace osvm::cli {
namespace {

class version final : public invocation {
 public:
  void declare(option_set&) override {}
  int run(context& ctx) override {
    if (ctx.json()) {
      ctx.print_json({{"version", OSVM_VERSION}, {"compiler", __VERSION__}, {"boost", BOOST_LIB_VERSION}});
    } else {
      ctx.print("osvm " OSVM_VERSION "\n");
      ctx.detail("compiler " __VERSION__ ", boost " BOOST_LIB_VERSION);
    }
    return static_cast<int>(exit_code::done);
  }
};

}  // namespace

extern const command cmd_version_entry;
const command cmd_version_entry{
    .path = "version",
    .summary = "print the version",
    .examples = "  osvm version\n  osvm version --json",
    .make = make_invocation<version>,
};

}  // namespace osvm::cli
