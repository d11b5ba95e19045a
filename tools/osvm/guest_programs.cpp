#include "guest_programs.hpp"

#include <filesystem>

namespace osvm::cli {
namespace {

result<std::filesystem::path> installed_prefix() {
  std::error_code ec;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ec);
  if (ec) return error(ec, "find the path of this program");
  return program.parent_path().parent_path();
}

}  // namespace

result<std::string> find_shared(const std::string& name) {
  OSVM_TRY(const auto prefix, installed_prefix());
  const auto path = prefix / "share/osvm" / name;
  std::error_code ec;
  if (std::filesystem::is_directory(path, ec)) return path.string();
  return error(errc::not_found, path.string() + " is not there");
}

result<std::string> find_worker() {
  return find_helper("osvm-worker");
}

result<std::string> find_helper(const std::string& name) {
  OSVM_TRY(const auto prefix, installed_prefix());
  const auto path = prefix / "libexec/osvm" / name;
  std::error_code ec;
  if (std::filesystem::is_regular_file(path, ec)) return path.string();
  return error(errc::not_found, path.string() + " is not there (it is installed beside osvm)");
}

result<std::string> find_guest(const std::string& name) {
  std::error_code ec;
  OSVM_TRY(const auto prefix, installed_prefix());
  for (const auto& folder : {prefix / "guest", prefix / "libexec/osvm/guest"}) {
    const auto path = folder / name;
    if (std::filesystem::is_regular_file(path, ec)) return path.string();
  }
  return error(errc::not_found, "guest program " + name + " is neither in " + (prefix / "guest").string() +
                                    " nor in " + (prefix / "libexec/osvm/guest").string() +
                                    " (try: ninja osvm_guests)");
}

}  // namespace osvm::cli
