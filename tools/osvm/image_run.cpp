#include "image_run.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace osvm::cli {
namespace {

namespace fs = std::filesystem;

// Where the guest would end up at `path`: links are followed, but never out of the root.
result<std::string> inside(const std::string& root, const std::string& path) {
  const unique_fd folder(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const unique_fd found(
      static_cast<int>(::syscall(SYS_openat2, folder.get(), path.c_str(), &how, sizeof how)));
  if (!found) return errno_error("image: " + path);
  std::error_code ec;
  const auto real = fs::read_symlink("/proc/self/fd/" + std::to_string(found.get()), ec);
  if (ec) return error(error_code(ec.value(), boost::system::system_category()), "image: " + path);
  return real.string();
}

// A writable folder is moved out of the read-only tree; an empty one stays behind as its place.
result<void> make_writable(const std::string& base, const std::string& guest, std::size_t number,
                           std::uint64_t quota, unikernel::policy& out) {
  const std::string place = base + "/root" + guest, own = base + "/writable-" + std::to_string(number);
  std::error_code ec;
  fs::create_directories(place, ec);
  const auto real = inside(base + "/root", guest);
  if (!real || !fs::is_directory(*real, ec))
    return error(errc::invalid_argument, "image: writable " + guest + " is no folder");
  if (*real == base + "/root")
    return error(errc::invalid_argument, "image: the root cannot be writable as a whole");
  fs::rename(*real, own, ec);
  if (!ec) fs::create_directory(*real, ec);
  if (ec) return error(error_code(ec.value(), boost::system::system_category()), "image: writable " + guest);
  out.mounts.push_back({.host_path = own, .guest_path = guest, .writable = true, .quota_bytes = quota});
  return {};
}

result<void> check_named_mounts(const images::manifest& m, const std::vector<std::string>& granted) {
  for (const auto& name : m.mounts) {
    if (std::find(granted.begin(), granted.end(), name) == granted.end())
      return error(errc::denied,
                   "the image asks for the mount '" + name + "': grant it with --mount " + name);
  }
  return {};
}

}  // namespace

bool looks_like_image(const std::string& path) {
  const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  char magic[8] = {};
  return fd && ::pread(fd.get(), magic, sizeof magic, 0) == sizeof magic &&
         std::string_view(magic, 8) == "OSVMIMG1";
}

result<std::string> read_small_file(const std::string& path) {
  const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return errno_error(path);
  std::string text(64 << 10, '\0');
  const ssize_t n = ::read(fd.get(), text.data(), text.size());
  if (n < 0) return errno_error(path);
  if (static_cast<std::size_t>(n) == text.size())
    return error(errc::limit_exceeded, path + " is larger than 64 KiB");
  text.resize(static_cast<std::size_t>(n));
  return text;
}

result<unpacked_image> prepare_image(const std::string& path, const std::string& key_file,
                                     const std::vector<std::string>& granted,
                                     unikernel::instance_options& options) {
  OSVM_TRY(const auto image, images::image_file::open(path));
  if (!key_file.empty()) {
    OSVM_TRY(const auto pem, read_small_file(key_file));
    OSVM_CHECK(image.verify_signature(pem));
  }
  const images::manifest& m = image.info();
  OSVM_CHECK(check_named_mounts(m, granted));
  OSVM_TRY(auto folder, private_dir::make_in_memory("image"));
  const std::string root = folder.path() + "/root";
  if (::mkdir(root.c_str(), 0700) != 0) return errno_error("mkdir " + root);
  const unique_fd into(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  OSVM_CHECK(image.unpack(into));
  auto& policy = options.policy;
  policy.mounts.push_back({.host_path = root, .guest_path = "/"});
  for (std::size_t i = 0; i < m.writable.size(); ++i)
    OSVM_CHECK(make_writable(folder.path(), m.writable[i], i, m.overlay_bytes, policy));
  policy.listen.insert(policy.listen.end(), m.listen.begin(), m.listen.end());
  policy.environment = m.environment;
  policy.allow.jit = m.jit;
  options.budgets = m.limits;
  options.budgets.written_bytes = m.overlay_bytes * std::max<std::size_t>(m.writable.size(), 1);
  options.executable = m.entry;
  options.working_directory = m.working_directory;
  options.grant_libraries = false;  // all of them are in the image
  OSVM_TRY(auto program, inside(root, m.entry));
  return unpacked_image{std::move(folder), std::move(program), m};
}

}  // namespace osvm::cli
