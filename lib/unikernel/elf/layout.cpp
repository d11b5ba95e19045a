#include "unikernel/elf/layout.hpp"

#include "unikernel/memory/address_space.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace osvm::unikernel::elf {
namespace {

constexpr std::size_t max_interpreter = 4096;  // PATH_MAX

result<header> read_header(const byte_source& file) {
  constexpr unsigned char magic[4] = {0x7f, 'E', 'L', 'F'};
  unsigned char start[4] = {};
  if (!file.get(0, start) || std::memcmp(start, magic, sizeof magic) != 0) return error(errc::not_an_elf);
  header h{};
  if (!file.get(0, h)) return malformed("the ELF header is cut off");
  if (h.ident[4] != class_64 || h.ident[5] != data_lsb || h.machine != machine_x86_64) {
    return error(errc::wrong_architecture, "machine " + std::to_string(h.machine));
  }
  if (h.type != type_exec && h.type != type_dyn) return malformed("neither an executable nor position-independent");
  if (h.phentsize != sizeof(program_header)) return malformed("program header size " + std::to_string(h.phentsize));
  return h;
}

bool in_file(const byte_source& file, std::uint64_t offset, std::uint64_t size) noexcept {
  std::uint64_t end = 0;
  return checked_add(offset, size, end) && end <= file.size;
}

result<void> check_load(const program_header& p, const byte_source& file, bool fixed, const image_limits& limits) {
  std::uint64_t end = 0;
  if (p.filesz > p.memsz) return malformed("a segment is larger in the file than in memory");
  if (p.memsz > limits.max_memory_bytes) return error(errc::too_large, "segment of " + std::to_string(p.memsz) + " bytes");
  if (!checked_add(p.vaddr, p.memsz, end) || end > mmap_limit) return malformed("a segment lies outside user memory");
  if (fixed && p.vaddr < user_begin) return malformed("a segment lies below 64 KiB");
  if (!in_file(file, p.offset, p.filesz)) return malformed("a segment reaches behind the end of the file");
  if (p.align > 1 && ((p.align & (p.align - 1)) != 0 || p.align > (2U << 20))) {
    return malformed("segment alignment " + std::to_string(p.align));
  }
  if ((p.vaddr - p.offset) % page_size != 0) return malformed("segment address and file offset differ within a page");
  if ((p.flags & pf_w) && (p.flags & pf_x)) return malformed("a segment is writable and executable");
  return {};
}

result<std::string> read_interpreter(const byte_source& file, const program_header& p) {
  if (p.filesz < 2 || p.filesz > max_interpreter || !in_file(file, p.offset, p.filesz)) {
    return malformed("the loader's name (PT_INTERP) has no usable length");
  }
  std::string name(p.filesz, '\0');
  if (!file.read(p.offset, name.data(), name.size())) return malformed("the loader's name cannot be read");
  if (name.back() != '\0') return malformed("the loader's name has no end");
  name.resize(std::strlen(name.c_str()));
  if (!name.starts_with('/')) return malformed("the loader's name is not an absolute path");
  return name;
}

result<void> check_order(std::vector<program_header>& loads, const image_limits& limits) {
  if (loads.empty()) return malformed("no loadable segment");
  std::sort(loads.begin(), loads.end(), [](const auto& a, const auto& b) { return a.vaddr < b.vaddr; });
  for (std::size_t i = 1; i < loads.size(); ++i) {
    if (loads[i - 1].vaddr + loads[i - 1].memsz > loads[i].vaddr) return malformed("segments overlap");
  }
  const std::uint64_t span = loads.back().vaddr + loads.back().memsz - page_floor(loads.front().vaddr);
  if (span > limits.max_memory_bytes) return error(errc::too_large, std::to_string(span) + " bytes of memory");
  return {};
}

}  // namespace

error malformed(std::string what) { return {errc::malformed_elf, std::move(what)}; }

byte_source source_of(bytes_view file) {
  return {[file](std::uint64_t offset, void* out, std::size_t size) {
            const auto part = subspan(file, offset, size);
            if (part) std::memcpy(out, part->data(), size);
            return part.has_value();
          },
          file.size()};
}

byte_source source_of(int fd, std::uint64_t size) {
  return {[fd](std::uint64_t offset, void* out, std::size_t want) {
            std::size_t done = 0;
            while (done < want) {
              const ssize_t n = ::pread(fd, static_cast<char*>(out) + done, want - done, static_cast<off_t>(offset + done));
              if (n < 0 && errno == EINTR) continue;
              if (n <= 0) return false;
              done += static_cast<std::size_t>(n);
            }
            return true;
          },
          size};
}

result<layout> read_layout(const byte_source& file, const image_limits& limits) {
  layout l;
  OSVM_TRY(l.header, read_header(file));
  if (l.header.phnum == 0 || l.header.phnum > limits.max_segments) {
    return malformed(std::to_string(l.header.phnum) + " program headers");
  }
  for (unsigned i = 0; i < l.header.phnum; ++i) {
    std::uint64_t at = 0;
    if (!checked_add<std::uint64_t>(l.header.phoff, i * sizeof(program_header), at)) return malformed("program header offset");
    program_header p{};
    if (!file.get(at, p)) return malformed("the program headers are cut off");
    if (p.type == pt_interp && l.interpreter.empty()) {
      OSVM_TRY(l.interpreter, read_interpreter(file, p));
    }
    if (p.type == pt_dynamic) l.dynamic = p;
    if (p.type != pt_load || p.memsz == 0) continue;
    OSVM_CHECK(check_load(p, file, l.header.type == type_exec, limits));
    l.loads.push_back(p);
  }
  OSVM_CHECK(check_order(l.loads, limits));
  return l;
}

int protection_of(std::uint32_t flags) noexcept {
  return (flags & pf_r ? PROT_READ : 0) | (flags & pf_w ? PROT_WRITE : 0) | (flags & pf_x ? PROT_EXEC : 0);
}

std::uint64_t header_address(const layout& l) noexcept {
  for (const auto& p : l.loads) {
    const std::uint64_t size = std::uint64_t{l.header.phnum} * sizeof(program_header);
    if (l.header.phoff >= p.offset && l.header.phoff + size <= p.offset + p.filesz) return p.vaddr + (l.header.phoff - p.offset);
  }
  return 0;
}

bool entry_is_executable(const layout& l) noexcept {
  return std::any_of(l.loads.begin(), l.loads.end(), [&](const auto& p) {
    return (p.flags & pf_x) && l.header.entry >= p.vaddr && l.header.entry < p.vaddr + p.memsz;
  });
}

bool file_offset(const layout& l, std::uint64_t address, std::uint64_t size, std::uint64_t& out) noexcept {
  for (const auto& p : l.loads) {
    if (address < p.vaddr || address - p.vaddr > p.filesz || size > p.filesz - (address - p.vaddr)) continue;
    out = p.offset + (address - p.vaddr);
    return true;
  }
  return false;
}

}  // namespace osvm::unikernel::elf
