// Saving an address space, and making another one from what was saved. The clone's pages are a private
// mapping of the saved file: the host copies those that the guest writes to, and guest page tables stay as
// they are (an exit for each page would cost more, and so would a flush of shadow page tables).
#include "unikernel/memory/address_space_impl.hpp"
#include "unikernel/memory/saved_memory.hpp"

#include <osvm/unikernel/error.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace osvm::unikernel {
namespace {

// What a leaf keeps: its rights. The clone's frames are of the saved file, never of the pool's free list.
constexpr std::uint64_t saved_bits = ~kvm::pte::address_mask & ~kvm::pte::image & ~kvm::pte::uncharged;

struct page_run {
  saved_memory::run saved;
  std::uint64_t guest_address = 0;
};

error cannot_save(const std::string& what) {
  return {errc::cannot_snapshot, what};
}

// Why a mapping cannot be in a template; empty: it can.
std::string unsavable(const vma& v) {
  if (v.kind != vma_kind::shared) return {};
  if (v.file->charged) return "shared memory (MAP_SHARED of memory)";
  if (v.file->may_map || v.file->settle) return "a shared writable mapping of " + v.file->path;
  return {};
}

// Appends the leaves of one mapping; neighbours in both address spaces with equal flags are one run.
void add_runs(kvm::page_tables& tables, std::uint64_t begin, std::uint64_t end, std::vector<page_run>& out) {
  (void)tables.update(begin, end, [&](std::uint64_t va, std::uint64_t entry, std::uint64_t size) {
    const std::uint64_t address = entry & kvm::pte::address_mask, flags = entry & saved_bits;
    if (!out.empty() && !(flags & kvm::pte::large)) {
      page_run& last = out.back();
      if (last.saved.flags == flags && last.saved.va + last.saved.size == va &&
          last.guest_address + last.saved.size == address) {
        last.saved.size += size;
        return entry;
      }
    }
    out.push_back({{.va = va, .size = size, .offset = 0, .flags = flags}, address});
    return entry;
  });
}

// Where each run lies in the file: 2 MiB leaves first, since they must be aligned. Returns the file's size.
std::uint64_t place_runs(std::vector<page_run>& runs) {
  std::uint64_t end = 0;
  for (const bool large : {true, false}) {
    for (page_run& r : runs) {
      if (((r.saved.flags & kvm::pte::large) != 0) != large) continue;
      r.saved.offset = end;
      end += r.saved.size;
    }
  }
  return end;
}

bool write_all(int fd, const std::byte* from, std::uint64_t size, std::uint64_t offset) {
  while (size > 0) {
    const ssize_t n = ::pwrite(fd, from, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    from += n;
    offset += static_cast<std::uint64_t>(n);
    size -= static_cast<std::uint64_t>(n);
  }
  return true;
}

result<unique_fd> write_pages(const frame_pool& pool, const std::vector<page_run>& runs,
                              std::uint64_t bytes) {
  unique_fd file(::memfd_create("osvm-template", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0)
    return errno_error("memory of a template");
  for (const page_run& r : runs) {
    const std::byte* from = pool.host(r.guest_address);
    if (!from || !write_all(file.get(), from, r.saved.size, r.saved.offset))
      return errno_error("memory of a template");
  }
  constexpr int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (::fcntl(file.get(), F_ADD_SEALS, seals) != 0) return errno_error("sealing the memory of a template");
  return file;
}

}  // namespace

result<saved_memory> address_space::save() {
  impl& from = *impl_;
  const std::unique_lock lock(from.vma_lock);
  const std::scoped_lock pages(from.populate_lock);
  saved_memory out;
  out.break_start = from.break_start;
  out.break_end = from.break_end;
  out.map_top = from.map_top;
  out.image_name = from.image_name;
  std::vector<page_run> runs;
  for (const auto& [start, v] : from.vmas) {
    if (v.kind == vma_kind::special) continue;
    if (const std::string why = unsavable(v); !why.empty()) return cannot_save(why);
    vma kept = v;
    if (v.name == from.image_name.c_str()) kept.name = nullptr;
    if (v.kind == vma_kind::image) kept.kind = vma_kind::anonymous;
    if (v.kind == vma_kind::shared || v.wiped_by_fork) kept.populated = 0;
    out.vmas.emplace_back(start, kept);
    if (v.kind != vma_kind::shared && !v.wiped_by_fork) add_runs(from.tables, start, v.end, runs);
  }
  from.flush_inner();
  out.bytes = place_runs(runs);
  OSVM_TRY(out.pages, write_pages(from.pool, runs, out.bytes));
  out.runs.reserve(runs.size());
  for (const page_run& r : runs) out.runs.push_back(r.saved);
  return out;
}

bool address_space::impl::load_run(const saved_memory::run& r, std::uint64_t guest_address) {
  const std::uint64_t flags = r.flags | kvm::pte::image;
  if (r.flags & kvm::pte::large) return tables.set_large(r.va, guest_address | flags);
  for (std::uint64_t o = 0; o < r.size; o += page_size)
    if (!tables.set(r.va + o, (guest_address + o) | flags)) return false;
  return true;
}

// The lock of the map is held exclusively, and populate_lock.
result<void> address_space::impl::load_saved(const saved_memory& saved,
                                             std::span<const std::shared_ptr<const file_backing>> files) {
  break_start = saved.break_start;
  break_end = saved.break_end;
  map_top = saved.map_top;
  image_name = saved.image_name;
  for (std::size_t n = 0; n < saved.vmas.size(); ++n) {
    const auto& [start, v] = saved.vmas[n];
    vma mine = v;
    if (n < saved.file_of.size() && saved.file_of[n] != 0) mine.file = files[saved.file_of[n] - 1];
    if (!mine.name) mine.name = image_name.c_str();
    if (mine.kind == vma_kind::shared) shared_files = true;
    vmas.emplace(start, std::move(mine));
  }
  if (saved.bytes == 0) return {};
  if (!charge(saved.bytes)) return error(errc::too_large, "a template's memory exceeds the memory budget");
  if (saved_at == 0) {
    OSVM_TRY(const auto mapped, pool.map_file(saved.pages.get(), saved.bytes));
    saved_at = mapped.guest_address;
  }
  for (const auto& r : saved.runs) {
    if (!load_run(r, saved_at + r.offset))
      return error(osvm::errc::limit_exceeded, "no memory for page tables");
  }
  return {};
}

result<void> address_space::load(const saved_memory& saved,
                                 std::span<const std::shared_ptr<const file_backing>> files) {
  const std::unique_lock lock(impl_->vma_lock);
  const std::scoped_lock pages(impl_->populate_lock);
  return impl_->load_saved(saved, files);
}

// Dropping a page of the template's discards the guest's own copy of it: what is mapped again is the file's.
result<void> address_space::reload(const saved_memory& saved,
                                   std::span<const std::shared_ptr<const file_backing>> files) {
  impl& to = *impl_;
  const std::unique_lock lock(to.vma_lock);
  for (auto it = to.vmas.begin(); it != to.vmas.end();) {
    if (it->second.kind == vma_kind::special) {
      ++it;
      continue;
    }
    if (!to.drop(it->first, it->second.end))
      return error(osvm::errc::limit_exceeded, "no memory for page tables");
    it = to.vmas.erase(it);
  }
  const std::scoped_lock pages(to.populate_lock);
  return to.load_saved(saved, files);
}

}  // namespace osvm::unikernel
