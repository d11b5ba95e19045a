// Running an image: its files as guests see them, and its manifest as an instance's options.
#pragma once

#include <osvm/images/image_file.hpp>
#include <osvm/unikernel/image.hpp>
#include <osvm/unikernel/instance.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::images {

// An image's files for guests. A file is copied into a sealed memory file when it is first opened, and
// compared with its digest on the way: what a guest reads is what was compared, whatever happens to the image
// on disk. All instances that are given the same object share these pages; contents that nobody uses are
// dropped after a while and compared anew. Immutable from outside, thread-safe.
class image_tree final : public unikernel::file_source {
 public:
  static std::shared_ptr<const image_tree> create(image_file image);
  ~image_tree() override;

  const image_file& image() const noexcept;
  std::span<const unikernel::source_entry> entries() const noexcept override;
  result<std::shared_ptr<const unique_fd>> open(std::size_t entry) const override;
  // The file at an absolute path, links followed inside the image: its number. errc::bad_path.
  result<std::size_t> find(std::string_view path) const;

 private:
  struct state;
  explicit image_tree(std::unique_ptr<state> s) noexcept;
  std::unique_ptr<state> state_;
};

struct run_options {
  // Names of mounts that the caller grants: the manifest may ask for no others (osvm::errc::denied).
  std::vector<std::string> granted_mounts;
  // Compare every file with its digest now. Otherwise each is compared when it is first opened, and a guest
  // that opens a wrong one is ended.
  bool verify_first = true;
  bool own_budgets = false;  // those in `options` hold, not the manifest's
};

// Adds to `options` what the manifest says: the tree at "/" with its writable folders, listeners,
// environment, budgets, working directory; the manifest's arguments come before those that are there. Gives
// the program to run with them.
result<unikernel::image> prepare_run(const std::shared_ptr<const image_tree>& tree, const run_options& how,
                                     unikernel::instance_options& options);

}  // namespace osvm::images
