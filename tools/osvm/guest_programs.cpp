#include "guest_programs.hpp"

#include <filesystem>

namespace osvm::cli {

result<std::string> find_guest(const std::string& name) {
  std::error_code ec;
  const auto bin = std::filesystem::read_symlink("/proc/self/exe", ec).parent_path();
  if (ec) return error(ec, "find the path of this program");
  const auto prefix = bin.parent_path();
  for (const auto& folder : {prefix / "guest", prefix / "libexec/osvm/guest"}) {
    const auto path = folder / name;
    if (std::filesystem::is_regular_file(path, ec)) return path.string();
  }
  return error(errc::not_found, "guest program " + name + " is neither in " + (prefix / "guest").string() +
                                    " nor in " + (prefix / "libexec/osvm/guest").string() +
                                    " (try: ninja osvm_guests)");
}

}  // namespace osvm::cli
