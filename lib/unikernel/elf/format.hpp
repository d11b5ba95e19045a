// The parts of the ELF64 format that the loader reads (System V gABI, chapter 4 and 5; x86-64 psABI).
#pragma once

#include <cstdint>

namespace osvm::unikernel::elf {

struct header {
  unsigned char ident[16];
  std::uint16_t type, machine;
  std::uint32_t version;
  std::uint64_t entry, phoff, shoff;
  std::uint32_t flags;
  std::uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct program_header {
  std::uint32_t type, flags;
  std::uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct dynamic_entry {
  std::int64_t tag;
  std::uint64_t value;
};

static_assert(sizeof(dynamic_entry) == 16);
static_assert(sizeof(header) == 64 && sizeof(program_header) == 56);

inline constexpr unsigned char class_64 = 2, data_lsb = 1;
inline constexpr std::uint16_t type_exec = 2, type_dyn = 3, machine_x86_64 = 62;
inline constexpr std::uint32_t pt_load = 1, pt_dynamic = 2, pt_interp = 3;
inline constexpr std::int64_t dt_null = 0, dt_needed = 1, dt_strtab = 5, dt_strsz = 10, dt_soname = 14,
                              dt_rpath = 15, dt_runpath = 29;
inline constexpr std::uint32_t pf_x = 1, pf_w = 2, pf_r = 4;

}  // namespace osvm::unikernel::elf
