#include <sys/stat.h>

#include <boost/json/object.hpp>
#include <filesystem>

#include "../context.hpp"
#include "../policy_options.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class mount_add final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("NAME", name_, {}, "what --mount and policies call it");
    o.word("HOST:GUEST", paths_, {}, "host path and guest path (PATH alone: the same on both sides)");
    o.flag("rw", writable_, "let the guest write there");
    o.value("quota", "SIZE", quota_, "with --rw: bytes that may lie in the folder at most");
    o.flag("replace", replace_, "the name may exist already");
  }
  int run(context& ctx) override {
    auto done = add();
    if (!done) return ctx.fail(done.error());
    ctx.detail("kept in " + *done);
    if (ctx.json()) ctx.print_json(boost::json::object{{"added", name_}});
    return static_cast<int>(exit_code::done);
  }

 private:
  result<std::string> add() const {
    if (!unikernel::valid_mount_name(name_)) {
      return error(errc::invalid_argument, "'" + name_ + "': a name is letters, digits, '-', '_' and '.'");
    }
    OSVM_TRY(auto grant, parse_mount(paths_, writable_));
    std::error_code ec;
    const auto kind = std::filesystem::status(grant.host_path, ec).type();
    if (kind == std::filesystem::file_type::not_found) return error(errc::not_found, grant.host_path);
    if (!quota_.empty()) {
      OSVM_TRY(grant.quota_bytes, parse_size(quota_));
      if (!writable_) return error(errc::invalid_argument, "--quota is for --rw");
      if (kind != std::filesystem::file_type::directory)
        return error(errc::invalid_argument, "--quota is for folders");
    }
    OSVM_TRY(auto path, mounts_file());
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ec);
    if (ec)
      return error(error_code(ec.value(), boost::system::system_category()), "make the folder of " + path);
    OSVM_TRY(auto all, unikernel::load_mounts(path));
    const bool exists = unikernel::find_mount(all, name_) != nullptr;
    if (exists && !replace_) return error(errc::busy, "mount '" + name_ + "' exists (try: --replace)");
    std::erase_if(all, [&](const auto& m) { return m.name == name_; });
    all.push_back({name_, std::move(grant)});
    OSVM_CHECK(unikernel::save_mounts(path, all));
    return path;
  }
  std::string name_, paths_, quota_;
  bool writable_ = false, replace_ = false;
};

}  // namespace

extern const command cmd_mount_add_entry;
const command cmd_mount_add_entry{
    .path = "mount add",
    .summary = "give a name to a file or folder that guests may be granted",
    .examples =
        "  osvm mount add site ./site:/site\n  osvm mount add data ./data:/data --rw --quota 1GiB\n"
        "  osvm run --mount site --mount data ./server",
    .make = make_invocation<mount_add>,
};

}  // namespace osvm::cli
