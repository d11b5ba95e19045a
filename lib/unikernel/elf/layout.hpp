// The headers of an ELF file, checked as hostile input. What passes here can be laid out without further
// checks of ranges: segments lie in user memory and in the file, ascend and do not overlap.
#pragma once

#include "unikernel/elf/format.hpp"

#include <osvm/core/bytes.hpp>
#include <osvm/unikernel/image.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace osvm::unikernel::elf {

// Bytes that may not be in memory as a whole. The callback fills exactly `size` bytes or returns false; what
// it captures must live as long as the source.
struct byte_source {
  std::function<bool(std::uint64_t offset, void* out, std::size_t size)> read;
  std::uint64_t size = 0;

  template <class T>
  bool get(std::uint64_t offset, T& out) const {
    std::uint64_t end = 0;
    return checked_add<std::uint64_t>(offset, sizeof(T), end) && end <= size && read(offset, &out, sizeof(T));
  }
};

byte_source source_of(bytes_view file);             // borrows the bytes
byte_source source_of(int fd, std::uint64_t size);  // borrows the descriptor; reads with pread

struct layout {
  elf::header header{};
  std::vector<program_header> loads;  // by address
  std::string interpreter;            // PT_INTERP; empty: none
  program_header dynamic{};           // PT_DYNAMIC; type 0: none
};

// Errors: not_an_elf, wrong_architecture, malformed_elf, too_large.
result<layout> read_layout(const byte_source& file, const image_limits& limits);

std::uint64_t header_address(const layout& l) noexcept;  // of the program headers; 0: not in memory
bool entry_is_executable(const layout& l) noexcept;
int protection_of(std::uint32_t flags) noexcept;  // PF_* as PROT_*
// File offset of `size` bytes at a virtual address that a segment's file part covers; false: not covered.
bool file_offset(const layout& l, std::uint64_t address, std::uint64_t size, std::uint64_t& out) noexcept;

error malformed(std::string what);

}  // namespace osvm::unikernel::elf
