// Parses an ELF file as hostile input and lays it out in a sealed memory file.
#include <osvm/unikernel/image.hpp>

#include "unikernel/elf/layout.hpp"
#include "unikernel/elf/image_data.hpp"

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

// Page ranges of all segments, relative to the base; segments that share a page share the union of their rights.
result<void> place(image_data& d, const std::vector<elf::program_header>& loads) {
  for (const auto& p : loads) {
    const std::uint64_t start = page_floor(p.vaddr) - d.base;
    const std::uint64_t file_end = page_ceil(p.vaddr + p.filesz) - d.base;
    const std::uint64_t end = page_ceil(p.vaddr + p.memsz) - d.base;
    const int protection = elf::protection_of(p.flags);
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

std::string base_name(const std::string& path) {
  const auto slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

result<image> image::parse(bytes_view file, std::string name, const image_limits& limits) {
  if (file.size() > limits.max_file_bytes) return error(errc::too_large, name);
  auto read = elf::read_layout(elf::source_of(file), limits);
  if (!read) return error(read.error().code, name + (read.error().context.empty() ? "" : ": " + read.error().context));
  const elf::layout& l = *read;
  auto d = std::make_shared<image_data>();
  d->base = page_floor(l.loads.front().vaddr);
  if (!elf::entry_is_executable(l)) return error(errc::malformed_elf, name + ": the entry point is not in executable memory");
  if (auto ok = place(*d, l.loads); !ok) return error(ok.error().code, name + ": " + ok.error().context);
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
  OSVM_TRY(image loaded, parse(bytes, base_name(path), limits));
  auto d = std::const_pointer_cast<detail::image_data>(loaded.data_);  // not shared with anybody yet
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved)) d->info.path = resolved;
  return loaded;
}

const image_info& image::info() const noexcept { return data_->info; }

}  // namespace osvm::unikernel
