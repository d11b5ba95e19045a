// Ranges of a guest's virtual memory. Reserving costs one entry, whatever its size.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace osvm::unikernel {

enum class vma_kind : std::uint8_t {
  anonymous,  // zeroed memory, handed out when touched
  image,      // private pages of the program's file
  special,    // the VMM's pages in user space (clock page): not changeable by the guest
};

struct vma {
  std::uint64_t end = 0;
  int protection = 0;       // PROT_*
  vma_kind kind = vma_kind::anonymous;
  bool was_writable = false;  // W^X: such memory never becomes executable without `jit`
  bool grows_down = false;
  std::uint64_t populated = 0;  // bytes handed out so far: later faults take larger pieces
  const char* name = "";      // static storage
};

// Keyed by start; entries never overlap.
using vma_map = std::map<std::uint64_t, vma>;

}  // namespace osvm::unikernel
