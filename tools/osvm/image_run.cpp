#include "image_run.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace osvm::cli {

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

result<prepared_image> prepare_image(const std::string& path, const std::string& key_file,
                                     const images::run_options& how, unikernel::instance_options& options) {
  OSVM_TRY(auto image, images::image_file::open(path));
  if (!key_file.empty()) {
    OSVM_TRY(const auto pem, read_small_file(key_file));
    OSVM_CHECK(image.verify_signature(pem));
  }
  for (const auto& name : image.info().mounts) {
    const auto& granted = how.granted_mounts;
    if (std::find(granted.begin(), granted.end(), name) == granted.end())
      return error(errc::denied,
                   "the image asks for the mount '" + name + "': grant it with --mount " + name);
  }
  const auto tree = images::image_tree::create(std::move(image));
  OSVM_TRY(auto program, images::prepare_run(tree, how, options));
  return prepared_image{std::move(program)};
}

}  // namespace osvm::cli
