#include "unikernel/process/loader.hpp"

#include "unikernel/files/attributes.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/instance_state.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

namespace osvm::unikernel {
namespace {

constexpr image_limits loader_limits{
    .max_file_bytes = 64 << 20, .max_memory_bytes = 64 << 20, .max_segments = 64};

error unusable(const std::string& path, const std::string& why) {
  return {errc::bad_loader, path + ": " + why};
}
error no_room() {
  return {errc::too_large, "the program's loader does not fit the memory budget"};
}

}  // namespace

result<std::shared_ptr<unique_fd>> open_found(const location& at, const std::string& path) {
  if (!at.node) {
    auto host =
        std::make_shared<unique_fd>(::open(self_path(at.object).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    return *host ? result<std::shared_ptr<unique_fd>>(std::move(host)) : errno_error(path);
  }
  opened_node opened;
  std::string broken;
  const auto r = at.mount->memory->open(at.node, O_RDONLY, opened, broken);
  if (!broken.empty()) return unusable(path, broken);
  if (r < 0) return errno_error(path, static_cast<int>(-r));
  return std::make_shared<unique_fd>(std::move(opened.host));
}

bool guest_may_change(const location& at) {
  return at.mount->writable && !(at.node && overlay::is_pristine(at.node));
}

result<loader_file> open_loader(call_context& ctx, const std::string& path) {
  location at;
  const auto r = ctx.instance.files->find(ctx, "/", path, true, at);
  if (r < 0 || at.where != place::mounted) {
    return unusable(
        path,
        "it is in no mount; grant the libraries (grant_libraries) or a root that has them (--ro ROOT:/)");
  }
  if (!S_ISREG(at.status.st_mode)) return unusable(path, "not a regular file");
  if (guest_may_change(at) && !ctx.instance.policy.allow.jit) {
    return unusable(path,
                    "it lies below a writable mount, and code that the guest can change needs --allow jit");
  }
  OSVM_TRY(auto host, open_found(at, path));
  loader_file out;
  const auto size = static_cast<std::uint64_t>(at.status.st_size);
  if (size > loader_limits.max_file_bytes) return unusable(path, "too large");
  auto layout = elf::read_layout(elf::source_of(host->get(), size), loader_limits);
  if (!layout) return unusable(path, layout.error().to_string());
  if (layout->header.type != elf::type_dyn || !elf::entry_is_executable(*layout)) {
    return unusable(path, "not a position-independent loader");
  }
  out.layout = std::move(*layout);
  auto file = std::make_shared<file_backing>();
  file->host = host->get();
  file->owner = std::move(host);
  file->path = at.path;
  file->device = at.status.st_dev;
  file->inode = at.status.st_ino;
  file->trusted = true;
  out.file = std::move(file);
  return out;
}

result<mapped_loader> map_loader(address_space& memory, const loader_file& loader) {
  const auto& loads = loader.layout.loads;
  const std::uint64_t lowest = page_floor(loads.front().vaddr);
  const std::uint64_t span = page_ceil(loads.back().vaddr + loads.back().memsz) - lowest;
  const std::int64_t at = memory.map({.size = span, .protection = PROT_NONE});
  if (at < 0) return no_room();
  const std::uint64_t slide = static_cast<std::uint64_t>(at) - lowest;
  for (const auto& p : loads) {
    const std::uint64_t begin = page_floor(p.vaddr), file_end = p.vaddr + p.filesz;
    const int protection = elf::protection_of(p.flags);
    if (p.filesz && memory.map({.address = slide + begin,
                                .size = page_ceil(file_end) - begin,
                                .protection = protection,
                                .fixed = true,
                                .file = loader.file,
                                .file_offset = page_floor(p.offset)}) < 0) {
      return no_room();
    }
    if (p.memsz == p.filesz) continue;
    const std::uint64_t zero_begin = p.filesz ? page_ceil(file_end) : begin,
                        end = page_ceil(p.vaddr + p.memsz);
    if (end > zero_begin && memory.map({.address = slide + zero_begin,
                                        .size = end - zero_begin,
                                        .protection = protection,
                                        .fixed = true}) < 0) {
      return no_room();
    }
    // The last page of file content is zeroed to its end, as the kernel does: the loader allocates memory
    // there.
    const std::string zeroes(p.filesz ? page_ceil(file_end) - file_end : 0, '\0');
    if (!zeroes.empty() && !memory.poke(slide + file_end, zeroes.data(), zeroes.size())) return no_room();
  }
  return mapped_loader{slide, loader.layout.header.entry + slide};
}

}  // namespace osvm::unikernel
