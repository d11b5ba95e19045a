// Ranges of a guest's virtual memory. Reserving costs one entry, whatever its size.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace osvm::unikernel {

enum class vma_kind : std::uint8_t {
  anonymous,  // zeroed memory, handed out when touched
  image,      // private pages of the program's file
  file,       // private pages of a file, read when they are touched
  shared,     // a file's own pages: the host's page cache
  special,    // the VMM's pages in user space (clock page): not changeable by the guest
};

// The host file behind a mapping. Private pages are read copies. Shared ones are the host's page cache: when
// the file shrinks, the VMM's own access to them would raise SIGBUS in the embedder, so that it copies such
// pages only through the host kernel (fallible_copy.hpp).
struct file_backing {
  int host = -1;  // open for reading, as long as `owner` lives
  std::shared_ptr<const void> owner;
  std::string path;  // the guest's name for it
  std::uint64_t device = 0, inode = 0;
  bool trusted = false;  // the guest cannot change the file: its pages may be executed without `jit`

  // For shared pages.
  bool writable = false;  // PROT_WRITE may be asked for
  bool charged = false;   // the file is memory: its pages count as the guest's while they are mapped
  // Asked before pages are mapped that may be written (of a charged file: any); false: a budget is used up.
  // Null: nothing is counted.
  std::function<bool(std::uint64_t)> may_map;
  // Called before mapped pages stop being charged: what the file holds is charged to the file again.
  std::function<void()> settle;
};

struct vma {
  std::uint64_t end = 0;
  int protection = 0;  // PROT_*
  vma_kind kind = vma_kind::anonymous;
  bool shared = false;        // MAP_SHARED
  bool was_writable = false;  // W^X: such memory never becomes executable without `jit`
  bool grows_down = false;
  bool not_forked = false, wiped_by_fork = false;  // MADV_DONTFORK, MADV_WIPEONFORK
  std::uint64_t populated = 0;                     // bytes handed out so far: later faults take larger pieces
  const char* name = "";                           // static storage
  std::shared_ptr<const file_backing> file;        // of kind `file` or `shared`
  std::uint64_t file_offset = 0;                   // of the first page
};

// Keyed by start; entries never overlap.
using vma_map = std::map<std::uint64_t, vma>;

}  // namespace osvm::unikernel
