// Writes small ELF files, right and wrong ones. Offsets and sizes are what the test says, not what would be
// sane.
#pragma once

#include "unikernel/elf/format.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace osvm::test {

class elf_builder {
 public:
  // A program that would run: one readable and executable page whose first instruction is the entry.
  elf_builder() {
    std::memcpy(header.ident,
                "\x7f"
                "ELF\2\1\1",
                7);
    header.type = unikernel::elf::type_exec;
    header.machine = unikernel::elf::machine_x86_64;
    header.version = 1;
    header.phoff = sizeof header;
    header.ehsize = sizeof header;
    header.phentsize = sizeof(unikernel::elf::program_header);
    header.entry = 0x401000;
    segments.push_back(code());
  }

  static unikernel::elf::program_header code() {
    return {.type = unikernel::elf::pt_load,
            .flags = unikernel::elf::pf_r | unikernel::elf::pf_x,
            .offset = 0x1000,
            .vaddr = 0x401000,
            .paddr = 0,
            .filesz = 0x100,
            .memsz = 0x100,
            .align = 0x1000};
  }
  static unikernel::elf::program_header data() {
    return {.type = unikernel::elf::pt_load,
            .flags = unikernel::elf::pf_r | unikernel::elf::pf_w,
            .offset = 0x1100,
            .vaddr = 0x403100,
            .paddr = 0,
            .filesz = 0x100,
            .memsz = 0x2000,
            .align = 0x1000};
  }

  std::vector<std::byte> build() const {
    unikernel::elf::header h = header;
    if (count_headers) h.phnum = static_cast<std::uint16_t>(segments.size());
    std::vector<std::byte> out(file_bytes);
    put(out, 0, &h, sizeof h);
    for (std::size_t i = 0; i < segments.size(); ++i)
      put(out, sizeof h + i * sizeof segments[i], &segments[i], sizeof segments[i]);
    return out;
  }

  unikernel::elf::header header{};
  std::vector<unikernel::elf::program_header> segments;
  bool count_headers = true;  // else header.phnum stays what the test wrote
  std::size_t file_bytes = 0x2000;

 private:
  static void put(std::vector<std::byte>& out, std::size_t at, const void* from, std::size_t size) {
    if (at >= out.size()) return;
    std::memcpy(out.data() + at, from, std::min(size, out.size() - at));
  }
};

}  // namespace osvm::test
