// Writes dynamic ELF files that say what a test wants about their loader and libraries.
#pragma once

#include "unikernel/elf/format.hpp"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace osvm::test {

struct dynamic_builder {
  std::string interpreter, soname, rpath, runpath;
  std::vector<std::string> needed;

  std::string build() const {
    namespace elf = unikernel::elf;
    std::string strings(1, '\0');
    const auto add = [&](const std::string& text) {
      const std::size_t at = strings.size();
      strings.append(text.c_str(), text.size() + 1);
      return at;
    };
    std::vector<elf::dynamic_entry> dynamic;
    for (const auto& n : needed) dynamic.push_back({elf::dt_needed, add(n)});
    if (!soname.empty()) dynamic.push_back({elf::dt_soname, add(soname)});
    if (!rpath.empty()) dynamic.push_back({elf::dt_rpath, add(rpath)});
    if (!runpath.empty()) dynamic.push_back({elf::dt_runpath, add(runpath)});
    const std::size_t interpreter_at = strings.size();
    add(interpreter);
    dynamic.push_back({elf::dt_strtab, strings_at});
    dynamic.push_back({elf::dt_strsz, strings.size()});
    dynamic.push_back({elf::dt_null, 0});
    const std::size_t dynamic_at = (strings_at + strings.size() + 15) & ~std::size_t{15};
    const std::size_t dynamic_size = dynamic.size() * sizeof(elf::dynamic_entry);
    std::string file(dynamic_at + dynamic_size, '\0');

    std::vector<elf::program_header> headers;
    headers.push_back({.type = elf::pt_load,
                       .flags = elf::pf_r | elf::pf_x,
                       .offset = 0,
                       .vaddr = 0,
                       .paddr = 0,
                       .filesz = file.size(),
                       .memsz = file.size(),
                       .align = 0x1000});
    headers.push_back({.type = elf::pt_dynamic,
                       .flags = elf::pf_r,
                       .offset = dynamic_at,
                       .vaddr = dynamic_at,
                       .paddr = 0,
                       .filesz = dynamic_size,
                       .memsz = dynamic_size,
                       .align = 8});
    if (!interpreter.empty()) {
      headers.push_back({.type = elf::pt_interp,
                         .flags = elf::pf_r,
                         .offset = strings_at + interpreter_at,
                         .vaddr = strings_at + interpreter_at,
                         .paddr = 0,
                         .filesz = interpreter.size() + 1,
                         .memsz = interpreter.size() + 1,
                         .align = 1});
    }
    elf::header h{};
    std::memcpy(h.ident,
                "\x7f"
                "ELF\2\1\1",
                7);
    h.type = elf::type_dyn;
    h.machine = elf::machine_x86_64;
    h.version = 1;
    h.phoff = sizeof h;
    h.ehsize = sizeof h;
    h.phentsize = sizeof(elf::program_header);
    h.phnum = static_cast<std::uint16_t>(headers.size());
    h.entry = 0x40;
    std::memcpy(file.data(), &h, sizeof h);
    std::memcpy(file.data() + sizeof h, headers.data(), headers.size() * sizeof headers[0]);
    std::memcpy(file.data() + strings_at, strings.data(), strings.size());
    std::memcpy(file.data() + dynamic_at, dynamic.data(), dynamic_size);
    return file;
  }
  void write(const std::filesystem::path& path) const { std::ofstream(path, std::ios::binary) << build(); }

  static constexpr std::size_t strings_at = 0x200;
};

}  // namespace osvm::test
