// A folder of this process's own for sockets, gone with its owner.
#pragma once

#include <osvm/core/error.hpp>

#include <string>
#include <utility>

namespace osvm::cli {

// Owner of the folder and all in it. Move-only.
class private_dir final {
 public:
  // $XDG_RUNTIME_DIR/osvm/<name>-XXXXXX, or the same below /tmp/osvm-<uid>; mode 0700, owned by the caller.
  static result<private_dir> make(const std::string& name);

  private_dir(private_dir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  private_dir& operator=(private_dir&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~private_dir();

  const std::string& path() const noexcept { return path_; }

 private:
  explicit private_dir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace osvm::cli
