#include "build_id.hpp"

#include <elf.h>
#include <link.h>

#include <cstring>

namespace osvm::audit {
namespace {

struct wanted_object {
  std::uintptr_t inside = 0;  // an address in it
  std::string id;
};

void read_notes(const char* at, std::size_t size, std::string& out) {
  static constexpr char hex[] = "0123456789abcdef";
  const auto padded = [](std::size_t n) { return (n + 3) & ~std::size_t{3}; };
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, at, sizeof note);
    const auto whole = sizeof note + padded(note.n_namesz) + padded(note.n_descsz);
    if (whole > size) return;
    const char* name = at + sizeof note;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
      const char* id = name + padded(note.n_namesz);
      for (std::size_t i = 0; i < note.n_descsz; ++i) {
        out += hex[static_cast<unsigned char>(id[i]) >> 4];
        out += hex[static_cast<unsigned char>(id[i]) & 15];
      }
      return;
    }
    at += whole;
    size -= whole;
  }
}

int look(dl_phdr_info* info, std::size_t, void* data) {
  auto& wanted = *static_cast<wanted_object*>(data);
  bool mine = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& h = info->dlpi_phdr[i];
    const auto begin = info->dlpi_addr + h.p_vaddr;
    mine = mine || (h.p_type == PT_LOAD && wanted.inside >= begin && wanted.inside < begin + h.p_memsz);
  }
  if (!mine) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& h = info->dlpi_phdr[i];
    if (h.p_type == PT_NOTE && wanted.id.empty())
      // The loader mapped these notes, readable for as long as the object is there.
      read_notes(reinterpret_cast<const char*>(info->dlpi_addr + h.p_vaddr), h.p_memsz, wanted.id);
  }
  return 1;
}

}  // namespace

std::string build_id() {
  wanted_object wanted;
  wanted.inside = reinterpret_cast<std::uintptr_t>(&look);
  ::dl_iterate_phdr(look, &wanted);
  return wanted.id;
}

}  // namespace osvm::audit
