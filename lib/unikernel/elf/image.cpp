// Parses an ELF file as hostile input and lays it out in a sealed memory file.
#include <osvm/unikernel/image.hpp>

#include "unikernel/elf/format.hpp"
#include "unikernel/elf/image_data.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace osvm::unikernel {
namespace {

using detail::image_data;

error malformed(std::string what) { return {errc::malformed_elf, std::move(what)}; }

struct layout {
  elf::header header{};
  std::vector<elf::program_header> loads;
};

result<elf::header> read_header(bytes_view file) {
  constexpr unsigned char magic[4] = {0x7f, 'E', 'L', 'F'};
  if (file.size() < 4 || std::memcmp(file.data(), magic, 4) != 0) return error(errc::not_an_elf);
  auto h = read_at<elf::header>(file, 0);
  if (!h) return malformed("the ELF header is cut off");
  if (h->ident[4] != elf::class_64 || h->ident[5] != elf::data_lsb || h->machine != elf::machine_x86_64) {
    return error(errc::wrong_architecture, "machine " + std::to_string(h->machine));
  }
  if (h->type != elf::type_exec && h->type != elf::type_dyn) return malformed("neither an executable nor position-independent");
  if (h->phentsize != sizeof(elf::program_header)) return malformed("program header size " + std::to_string(h->phentsize));
  return h;
}

result<void> check_load(const elf::program_header& p, bytes_view file, bool fixed, const image_limits& limits) {
  std::uint64_t end = 0;
  if (p.filesz > p.memsz) return malformed("a segment is larger in the file than in memory");
  if (p.memsz > limits.max_memory_bytes) return error(errc::too_large, "segment of " + std::to_string(p.memsz) + " bytes");
  if (!checked_add(p.vaddr, p.memsz, end) || end > mmap_limit) return malformed("a segment lies outside user memory");
  if (fixed && p.vaddr < user_begin) return malformed("a segment lies below 64 KiB");
  if (auto s = subspan(file, p.offset, p.filesz); !s) return malformed("a segment reaches behind the end of the file");
  if (p.align > 1 && ((p.align & (p.align - 1)) != 0 || p.align > (2U << 20))) return malformed("segment alignment " + std::to_string(p.align));
  if ((p.vaddr - p.offset) % page_size != 0) return malformed("segment address and file offset differ within a page");
  if ((p.flags & elf::pf_w) && (p.flags & elf::pf_x)) return malformed("a segment is writable and executable");
  return {};
}

result<layout> read_layout(bytes_view file, const image_limits& limits) {
  layout l;
  OSVM_TRY(l.header, read_header(file));
  if (l.header.phnum == 0 || l.header.phnum > limits.max_segments) {
    return malformed(std::to_string(l.header.phnum) + " program headers");
  }
  for (unsigned i = 0; i < l.header.phnum; ++i) {
    std::uint64_t at = 0;
    if (!checked_add<std::uint64_t>(l.header.phoff, i * sizeof(elf::program_header), at)) return malformed("program header offset");
    auto p = read_at<elf::program_header>(file, at);
    if (!p) return malformed("the program headers are cut off");
    if (p->type == elf::pt_interp) return error(errc::dynamic_unsupported);
    if (p->type != elf::pt_load || p->memsz == 0) continue;
    OSVM_CHECK(check_load(*p, file, l.header.type == elf::type_exec, limits));
    l.loads.push_back(*p);
  }
  if (l.loads.empty()) return malformed("no loadable segment");
  std::sort(l.loads.begin(), l.loads.end(), [](const auto& a, const auto& b) { return a.vaddr < b.vaddr; });
  for (std::size_t i = 1; i < l.loads.size(); ++i) {
    if (l.loads[i - 1].vaddr + l.loads[i - 1].memsz > l.loads[i].vaddr) return malformed("segments overlap");
  }
  return l;
}

int protection_of(std::uint32_t flags) noexcept {
  return (flags & elf::pf_r ? PROT_READ : 0) | (flags & elf::pf_w ? PROT_WRITE : 0) | (flags & elf::pf_x ? PROT_EXEC : 0);
}

// Page ranges of all segments, relative to the base; segments that share a page share the union of their rights.
result<void> place(image_data& d, const std::vector<elf::program_header>& loads) {
  for (const auto& p : loads) {
    const std::uint64_t start = page_floor(p.vaddr) - d.base;
    const std::uint64_t file_end = page_ceil(p.vaddr + p.filesz) - d.base;
    const std::uint64_t end = page_ceil(p.vaddr + p.memsz) - d.base;
    const int protection = protection_of(p.flags);
    if (file_end > start) {
      if (!d.ranges.empty() && d.ranges.back().offset + d.ranges.back().size > start) {
        const int both = d.ranges.back().protection | protection;
        if ((both & PROT_WRITE) && (both & PROT_EXEC)) return malformed("segments share a page that would be writable and executable");
        const std::uint64_t shared = d.ranges.back().offset + d.ranges.back().size - start;
        if (d.ranges.back().size > shared) {
          d.ranges.back().size -= shared;
          d.ranges.push_back({start, shared, both});
        } else {
          d.ranges.back().protection = both;
        }
        if (file_end - start > shared) d.ranges.push_back({start + shared, file_end - start - shared, protection});
      } else {
        d.ranges.push_back({start, file_end - start, protection});
      }
      d.file_bytes = std::max(d.file_bytes, file_end);
    }
    const std::uint64_t zero_start = std::max(file_end, start);
    if (end > zero_start) d.zero_ranges.push_back({zero_start, end - zero_start, protection});
    d.end = std::max(d.end, end);
  }
  for (const auto& z : d.zero_ranges) {  // a later segment's file page may begin where the zeroes end
    for (const auto& r : d.ranges) {
      if (z.offset < r.offset + r.size && r.offset < z.offset + z.size) return malformed("zeroed memory overlaps a segment's page");
    }
  }
  return {};
}

result<unique_fd> copy_to_memory(const image_data& d, const std::vector<elf::program_header>& loads, bytes_view file) {
  unique_fd fd(::memfd_create("osvm-image", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return errno_error("memfd_create");
  if (::ftruncate(fd.get(), static_cast<off_t>(d.file_bytes)) != 0) return errno_error("ftruncate of the image");
  for (const auto& p : loads) {
    std::uint64_t done = 0;
    while (done < p.filesz) {
      const ssize_t n = ::pwrite(fd.get(), file.data() + p.offset + done, p.filesz - done,
                                 static_cast<off_t>(p.vaddr - d.base + done));
      if (n <= 0) return errno_error("copying the image");
      done += static_cast<std::uint64_t>(n);
    }
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
    return errno_error("sealing the image");
  }
  return fd;
}

std::uint64_t header_address(const layout& l) noexcept {
  for (const auto& p : l.loads) {
    const std::uint64_t size = std::uint64_t{l.header.phnum} * sizeof(elf::program_header);
    if (l.header.phoff >= p.offset && l.header.phoff + size <= p.offset + p.filesz) return p.vaddr + (l.header.phoff - p.offset);
  }
  return 0;
}

bool entry_is_executable(const layout& l) noexcept {
  return std::any_of(l.loads.begin(), l.loads.end(), [&](const auto& p) {
    return (p.flags & elf::pf_x) && l.header.entry >= p.vaddr && l.header.entry < p.vaddr + p.memsz;
  });
}

std::string base_name(const std::string& path) {
  const auto slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

result<image> image::parse(bytes_view file, std::string name, const image_limits& limits) {
  if (file.size() > limits.max_file_bytes) return error(errc::too_large, name);
  auto read = read_layout(file, limits);
  if (!read) return error(read.error().code, name + (read.error().context.empty() ? "" : ": " + read.error().context));
  const layout& l = *read;
  auto d = std::make_shared<image_data>();
  d->base = page_floor(l.loads.front().vaddr);
  if (l.loads.back().vaddr + l.loads.back().memsz - d->base > limits.max_memory_bytes) return error(errc::too_large, name);
  if (!entry_is_executable(l)) return error(errc::malformed_elf, name + ": the entry point is not in executable memory");
  if (auto ok = place(*d, l.loads); !ok) return error(ok.error().code, name + ": " + ok.error().context);
  OSVM_TRY(d->memory, copy_to_memory(*d, l.loads, file));
  for (const auto& p : l.loads) d->alignment = std::max(d->alignment, p.align);
  d->headers = header_address(l);
  d->header_count = l.header.phnum;
  d->info = {.name = std::move(name),
             .position_independent = l.header.type == elf::type_dyn,
             .entry = l.header.entry,
             .memory_bytes = d->end,
             .segments = static_cast<unsigned>(l.loads.size())};
  return image(std::move(d));
}

result<image> image::load(const std::string& path, const image_limits& limits) {
  // O_NONBLOCK: a FIFO in the program's place must not hang the caller.
  const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return errno_error(path);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return errno_error(path);
  if (!S_ISREG(st.st_mode)) return error(errc::not_an_elf, path + " is not a regular file");
  const auto size = static_cast<std::uint64_t>(st.st_size);
  if (size > limits.max_file_bytes) return error(errc::too_large, path);
  // Read, not mapped: a file that shrinks under a mapping would raise SIGBUS in the embedder.
  std::vector<std::byte> bytes(size);
  std::uint64_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(fd.get(), bytes.data() + done, size - done);
    if (n < 0) return errno_error(path);
    if (n == 0) break;
    done += static_cast<std::uint64_t>(n);
  }
  bytes.resize(done);
  return parse(bytes, base_name(path), limits);
}

const image_info& image::info() const noexcept { return data_->info; }

}  // namespace osvm::unikernel
