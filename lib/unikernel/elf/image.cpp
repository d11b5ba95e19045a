// Parses an ELF file as hostile input and lays it out in a sealed memory file.
#include <osvm/unikernel/image.hpp>

#include "unikernel/elf/image_data.hpp"
#include "unikernel/elf/layout.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>

namespace osvm::unikernel {
namespace {

using detail::image_data;

using elf::malformed;

// Page ranges of all segments, relative to the base; segments that share a page share the union of their
// rights.
result<void> place_segments(image_data& d, const std::vector<elf::program_header>& loads) {
  for (const auto& p : loads) {
    const std::uint64_t start = page_floor(p.vaddr) - d.base;
    const std::uint64_t file_end = page_ceil(p.vaddr + p.filesz) - d.base;
    const std::uint64_t end = page_ceil(p.vaddr + p.memsz) - d.base;
    const int protection = elf::protection_of(p.flags);
    if (file_end > start) {
      if (!d.ranges.empty() && d.ranges.back().offset + d.ranges.back().size > start) {
        const int both = d.ranges.back().protection | protection;
        if ((both & PROT_WRITE) && (both & PROT_EXEC))
          return malformed("segments share a page that would be writable and executable");
        const std::uint64_t shared = d.ranges.back().offset + d.ranges.back().size - start;
        if (d.ranges.back().size > shared) {
          d.ranges.back().size -= shared;
          d.ranges.push_back({start, shared, both});
        } else {
          d.ranges.back().protection = both;
        }
        if (file_end - start > shared)
          d.ranges.push_back({start + shared, file_end - start - shared, protection});
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
      if (z.offset < r.offset + r.size && r.offset < z.offset + z.size)
        return malformed("zeroed memory overlaps a segment's page");
    }
  }
  return {};
}

// Piece by piece: a large program is never in the embedder's memory as a whole.
result<void> copy_segment(const unique_fd& to, std::uint64_t at, const elf::byte_source& file,
                          const elf::program_header& p) {
  std::vector<char> piece(std::min<std::uint64_t>(p.filesz, 256 << 10));
  for (std::uint64_t done = 0; done < p.filesz;) {
    const std::size_t n = std::min<std::uint64_t>(piece.size(), p.filesz - done);
    if (!file.read(p.offset + done, piece.data(), n)) return malformed("a segment cannot be read");
    for (std::size_t written = 0; written < n;) {
      const ssize_t w =
          ::pwrite(to.get(), piece.data() + written, n - written, static_cast<off_t>(at + done + written));
      if (w <= 0) return errno_error("copying the image");
      written += static_cast<std::size_t>(w);
    }
    done += n;
  }
  return {};
}

result<unique_fd> copy_to_memory(const image_data& d, const std::vector<elf::program_header>& loads,
                                 const elf::byte_source& file) {
  unique_fd fd(::memfd_create("osvm-image", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return errno_error("memfd_create");
  if (::ftruncate(fd.get(), static_cast<off_t>(d.file_bytes)) != 0)
    return errno_error("ftruncate of the image");
  for (const auto& p : loads) OSVM_CHECK(copy_segment(fd, p.vaddr - d.base, file, p));
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
    return errno_error("sealing the image");
  }
  return fd;
}

std::string base_name(const std::string& path) {
  const auto slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

result<std::shared_ptr<image_data>> lay_out(const elf::byte_source& file, std::string name,
                                            const image_limits& limits) {
  if (file.size > limits.max_file_bytes) return error(errc::too_large, name);
  auto read = elf::read_layout(file, limits);
  if (!read)
    return error(read.error().code, name + (read.error().context.empty() ? "" : ": " + read.error().context));
  const elf::layout& l = *read;
  auto d = std::make_shared<image_data>();
  d->base = page_floor(l.loads.front().vaddr);
  if (!elf::entry_is_executable(l))
    return error(errc::malformed_elf, name + ": the entry point is not in executable memory");
  if (auto ok = place_segments(*d, l.loads); !ok)
    return error(ok.error().code, name + ": " + ok.error().context);
  OSVM_TRY(d->memory, copy_to_memory(*d, l.loads, file));
  for (const auto& p : l.loads) d->alignment = std::max(d->alignment, p.align);
  d->headers = elf::header_address(l);
  d->header_count = l.header.phnum;
  d->info = {.name = std::move(name),
             .path = {},
             .interpreter = l.interpreter,
             .position_independent = l.header.type == elf::type_dyn,
             .entry = l.header.entry,
             .memory_bytes = d->end,
             .segments = static_cast<unsigned>(l.loads.size())};
  return d;
}

}  // namespace

result<image> image::parse(bytes_view file, std::string name, const image_limits& limits) {
  OSVM_TRY(auto d, lay_out(elf::source_of(file), std::move(name), limits));
  return image(std::move(d));
}

result<image> image::load(const std::string& path, const image_limits& limits) {
  // O_NONBLOCK: a FIFO in the program's place must not hang the caller. Read, not mapped: a file that shrinks
  // under a mapping would raise SIGBUS in the embedder.
  const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return errno_error(path);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return errno_error(path);
  if (!S_ISREG(st.st_mode)) return error(errc::not_an_elf, path + " is not a regular file");
  OSVM_TRY(auto d, lay_out(elf::source_of(fd.get(), static_cast<std::uint64_t>(st.st_size)), base_name(path),
                           limits));
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved)) d->info.path = resolved;
  return image(std::move(d));
}

result<std::shared_ptr<const detail::image_data>> detail::read_program(int fd, std::uint64_t size,
                                                                       std::string name) {
  OSVM_TRY(auto d, lay_out(elf::source_of(fd, size), std::move(name), {}));
  return std::shared_ptr<const image_data>(std::move(d));
}

const image_info& image::info() const noexcept {
  return data_->info;
}

}  // namespace osvm::unikernel
