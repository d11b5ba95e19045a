// A folder that comes into being all at once: filled under another name, then renamed.
#pragma once

#include <osvm/core/bytes.hpp>
#include <osvm/core/unique_fd.hpp>

#include <string>

namespace osvm::ledger {

// Move-only; removes what it made unless publish() succeeded.
class staging_folder final {
 public:
  // `target` must not exist; its parent must. What a killed process left for it is removed; errc::busy while
  // a living one works on it.
  static result<staging_folder> create(const std::string& target);
  staging_folder(staging_folder&&) noexcept = default;
  staging_folder& operator=(staging_folder&&) = delete;
  ~staging_folder();

  const std::string& path() const noexcept { return path_; }
  result<> make(const std::string& name);
  result<> write(const std::string& name, bytes_view bytes);
  // Renames it to the target; fails when something has come to lie there.
  result<> publish();

 private:
  staging_folder(std::string target, std::string path, unique_fd lock)
      : target_(std::move(target)), path_(std::move(path)), lock_(std::move(lock)) {}
  std::string target_, path_;
  unique_fd lock_;  // the folder itself, locked for as long as it is ours; gone when moved from or published
};

}  // namespace osvm::ledger
