// A read-only tree of files that is no folder of the host: what an image holds. Guests see it through
// policy::trees.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace osvm::unikernel {

enum class source_type : std::uint8_t { file, folder, link };

struct source_entry {
  source_type type = source_type::file;
  std::uint16_t mode = 0;  // permission bits, 0777
  std::string path;        // relative to the tree's top; no empty, "." or ".." part
  std::int64_t mtime = 0;  // seconds
  std::uint64_t size = 0;  // of files
  std::string target;      // of links: followed in the guest's name space
};

// Implemented by who has such a tree (images::image_tree). Immutable and thread-safe.
class file_source {
 public:
  virtual ~file_source() = default;
  // Ascending by path (as bytes), none twice; a folder's own entry comes before what it holds. Lives as long
  // as the source.
  virtual std::span<const source_entry> entries() const noexcept = 0;
  // The content of file `entry`: a memory file that nobody can change any more (sealed), of the entry's size.
  // Whoever implements this has compared it with what it must be. An error ends the guest that asked.
  virtual result<std::shared_ptr<const unique_fd>> open(std::size_t entry) const = 0;
};

}  // namespace osvm::unikernel
