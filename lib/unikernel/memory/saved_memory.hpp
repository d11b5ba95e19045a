// The memory of an address space at one moment, from which others are made (templates). Immutable; shared by
// the clones, whose pages are the file's until they write to them.
#pragma once

#include "unikernel/memory/vma.hpp"

#include <osvm/core/unique_fd.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace osvm::unikernel {

// The file behind a mapping of a template that was read from a disk: opened by its name, another one is
// refused.
struct saved_backing {
  std::string path;  // the guest's
  std::uint64_t inode = 0, size = 0;
  std::int64_t modified_ns = 0;
  bool trusted = false;  // as file_backing::trusted
};

struct saved_memory {
  // Pages with content: [offset, offset + size) of `pages` belongs to [va, va + size).
  struct run {
    std::uint64_t va = 0, size = 0, offset = 0;
    std::uint64_t flags = 0;  // of the leaves: rights, and whether they are of 2 MiB
  };
  unique_fd pages;          // sealed memory file
  std::uint64_t bytes = 0;  // its size
  std::vector<run> runs;
  // A null name stands for `image_name`. The program's own mappings are anonymous here.
  std::vector<std::pair<std::uint64_t, vma>> vmas;
  // Of a template from a disk, whose mappings have no files yet: what they are, and for each mapping the
  // number of its file from 1, or 0.
  std::vector<saved_backing> backings;
  std::vector<std::uint32_t> file_of;
  std::uint64_t break_start = 0, break_end = 0, map_top = 0;
  std::string image_name;
};

}  // namespace osvm::unikernel
