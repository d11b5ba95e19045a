// Foreign repositories, to be read only.
#pragma once

#include <osvm/core/error.hpp>

#include <optional>
#include <string>

namespace osvm::cli {

// "owner/name" or "owner/name#branch".
struct repository_name {
  std::string owner, name, branch;
};
std::optional<repository_name> parse_repository_name(const std::string& text);

// A clone of one commit in a folder of its own, which goes with it. Nothing of the repository is run: no
// hooks, no filters, no submodules; links become files. Nothing is ever sent to it. Move-only.
class cloned_repository final {
 public:
  // `url` empty: from GitHub. errc::not_found when git cannot get it, errc::timed_out after five minutes.
  static result<cloned_repository> clone(const repository_name& what, const std::string& url = {});
  cloned_repository(cloned_repository&& o) noexcept;
  cloned_repository& operator=(cloned_repository&&) = delete;
  ~cloned_repository();

  const std::string& path() const noexcept { return path_; }
  const std::string& commit() const noexcept { return commit_; }

 private:
  explicit cloned_repository(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_, path_, commit_;
};

}  // namespace osvm::cli
