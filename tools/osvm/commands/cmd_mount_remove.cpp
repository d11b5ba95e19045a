#include <boost/json/object.hpp>

#include "../context.hpp"
#include "../policy_options.hpp"

namespace osvm::cli {
namespace {

class mount_remove final : public invocation {
 public:
  void declare(option_set& o) override { o.word("NAME", name_, {}, "which mount to forget; its files stay"); }
  int run(context& ctx) override {
    auto done = remove();
    if (!done) return ctx.fail(done.error());
    if (ctx.json()) ctx.print_json(boost::json::object{{"removed", name_}});
    return static_cast<int>(exit_code::done);
  }

 private:
  result<void> remove() const {
    OSVM_TRY(const auto path, mounts_file());
    OSVM_TRY(auto all, unikernel::load_mounts(path));
    if (std::erase_if(all, [&](const auto& m) { return m.name == name_; }) == 0) {
      return error(errc::not_found, "mount '" + name_ + "' (see: osvm mount list)");
    }
    return unikernel::save_mounts(path, all);
  }
  std::string name_;
};

}  // namespace

extern const command cmd_mount_remove_entry;
const command cmd_mount_remove_entry{
    .path = "mount remove",
    .summary = "forget a named mount",
    .examples = "  osvm mount remove site",
    .make = make_invocation<mount_remove>,
};

}  // namespace osvm::cli
