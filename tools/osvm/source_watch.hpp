// Waits for changes of the sources below a folder.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>

#include <string>

namespace osvm::cli {

// The folders as they are when it is made. Changes count from then on, seen by wait() or not. Move-only.
class source_watch final {
 public:
  // `path`: a folder, or a file, whose folder is watched. errc::limit_exceeded beyond 10,000 folders.
  static result<source_watch> of(const std::string& path);

  // Blocks until a Rust source, a manifest or a folder changed and nothing did for a moment (true), or until
  // `stop` can be read (false).
  result<bool> wait(int stop) const;

 private:
  explicit source_watch(unique_fd fd) : fd_(std::move(fd)) {}
  unique_fd fd_;
};

}  // namespace osvm::cli
