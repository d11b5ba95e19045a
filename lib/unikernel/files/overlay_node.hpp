// What the overlay keeps of one file, folder or link, and a file's content in its three forms.
#pragma once

#include "unikernel/files/overlay.hpp"

#include <map>

namespace osvm::unikernel {

enum class content_form : std::uint8_t {
  source,  // the source's, unchanged
  bytes,   // the guest's own, small, and nobody has it open
  file,    // the guest's own, in a memory file
};

struct overlay_node {
  static constexpr std::size_t no_entry = ~std::size_t{0};

  // Fixed from the start.
  std::uint64_t inode = 0;
  mode_t type = S_IFREG;
  std::size_t entry = no_entry;  // in the source
  std::string target;            // of links
  bool counted = false;          // against the quota, from the start

  // Guarded by the overlay's lock.
  mode_t bits = 0;
  unsigned links = 1;
  std::map<std::string, node_ptr, std::less<>> children;  // null: a whiteout
  std::weak_ptr<overlay_node> parent;                     // of folders
  bool over_source = false;                               // of folders: the source's names show through
  std::string source_path;                                // where, "" being its top

  // Guarded by `lock`. No other lock is taken while it is held.
  std::mutex lock;
  std::array<timespec, 2> times{};  // access and change, where `file` does not know them
  content_form form = content_form::bytes;
  std::uint64_t source_size = 0;
  std::string content;  // content_form::bytes
  unique_fd file;       // content_form::file
  unsigned opened = 0;  // descriptors of the guest on `file`

  // With `lock` held: makes `file` from `content`. 0 or -errno.
  std::int64_t to_file();
  // With `lock` held: puts small content away while nobody needs it as a file.
  void put_away() noexcept;
  std::uint64_t own_bytes();  // takes `lock`
  void touch();               // takes `lock`: changed now
};

}  // namespace osvm::unikernel
