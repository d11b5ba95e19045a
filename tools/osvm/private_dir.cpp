#include "private_dir.hpp"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace osvm::cli {
namespace {

// Another user could have made the folder first, as a trap: below /tmp anybody may.
result<void> make_own_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("mkdir " + path);
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return errno_error("stat " + path);
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 077) != 0) {
    return error(errc::denied,
                 path + " is not a folder of mode 0700 that belongs to you (try: rm -r " + path + ")");
  }
  return {};
}

}  // namespace

result<private_dir> private_dir::make(const std::string& name) {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  const std::string base = runtime != nullptr && runtime[0] == '/'
                               ? std::string(runtime) + "/osvm"
                               : "/tmp/osvm-" + std::to_string(::geteuid());
  OSVM_CHECK(make_own_folder(base));
  std::string path = base + "/" + name + "-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return errno_error("make a folder in " + base);
  return private_dir(std::move(path));
}

private_dir::~private_dir() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace osvm::cli
