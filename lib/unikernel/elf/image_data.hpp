// A checked program: what instances map.
#pragma once

#include "unikernel/memory/address_space.hpp"

#include <osvm/core/unique_fd.hpp>
#include <osvm/unikernel/image.hpp>

#include <vector>

namespace osvm::unikernel::detail {

struct image_data {
  image_info info;
  // Sealed memory file: the program as it lies in memory from `base` (file-backed pages only).
  unique_fd memory;
  std::uint64_t base = 0;           // page-aligned lowest address, not relocated
  std::uint64_t file_bytes = 0;     // page-rounded size of `memory`
  std::uint64_t alignment = 4096;   // of the load address, for static-pie
  std::vector<image_range> ranges;  // relative to `base`
  // Zeroed memory behind the file-backed pages (large .bss), relative to `base`.
  std::vector<image_range> zero_ranges;
  std::uint64_t end = 0;      // relative to `base`: where the break starts
  std::uint64_t headers = 0;  // address of the program headers (AT_PHDR), not relocated; 0: not in memory
  std::uint16_t header_count = 0;
};

// The program in an open file of `size` bytes.
result<std::shared_ptr<const image_data>> read_program(int fd, std::uint64_t size, std::string name);

}  // namespace osvm::unikernel::detail
