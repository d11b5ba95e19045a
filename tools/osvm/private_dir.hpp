// A folder of this process's own for sockets, gone with its owner.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>

#include <string>
#include <utility>
#include <vector>

namespace osvm::cli {

// Owner of the folder and all in it. Move-only. A process that is killed cannot remove its folder; the next
// make() does, as the lock in it is free then.
class private_dir final {
 public:
  // $XDG_RUNTIME_DIR/osvm/<name>-XXXXXX, or the same below /tmp/osvm-<uid>; mode 0700, owned by the caller.
  static result<private_dir> make(const std::string& name);
  // The folder that they are made in.
  static std::string base();
  // Whether that is there: errc::denied when another user may have made it, as a trap.
  static result<bool> has_base();
  // The folders in there whose owners live; errc::denied likewise.
  static result<std::vector<std::string>> living();

  private_dir(private_dir&& other) noexcept
      : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}
  private_dir& operator=(private_dir&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(lock_, other.lock_);
    return *this;
  }
  ~private_dir();

  const std::string& path() const noexcept { return path_; }

 private:
  static result<private_dir> make_in(const std::string& base, const std::string& name);
  private_dir(std::string path, unique_fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  unique_fd lock_;
};

}  // namespace osvm::cli
