// Shared mappings of files: the guest's pages are the host's page cache, mapped over frames of a window bank.
//
// What is mapped reaches at most to the file's end at that moment. A file that shrinks later leaves pages
// behind that nobody can read: the guest's access makes KVM_RUN fail, after which forget_missing() unmaps
// them, so that the next access is a page fault of the guest's own, which Linux answers with SIGBUS. The
// VMM's access goes through fallible_copy.hpp.
#include "unikernel/memory/address_space_impl.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace osvm::unikernel {
namespace {

// How much one fault maps, by what the mapping has used: few faults and few host mappings for large files.
std::uint64_t piece_size(const vma& v) noexcept {
  constexpr std::uint64_t kib = 1024, mib = 1024 * kib;
  if (v.populated < 256 * kib) return 64 * kib;
  if (v.populated < 4 * mib || (v.file->charged && v.populated < 64 * mib)) return 256 * kib;
  return v.populated < 64 * mib || v.file->charged ? 2 * mib : 16 * mib;
}

std::uint64_t file_end(const file_backing& f) noexcept {
  struct stat st {};
  return ::fstat(f.host, &st) == 0 && st.st_size > 0 ? page_ceil(static_cast<std::uint64_t>(st.st_size)) : 0;
}

// Where in the mapping its file ends: behind it nothing can be touched.
std::uint64_t content_end(const vma& v, std::uint64_t vma_start) noexcept {
  const std::uint64_t bytes = file_end(*v.file);
  if (bytes <= v.file_offset) return vma_start;
  return std::min(v.end, vma_start + std::min(bytes - v.file_offset, v.end - vma_start));
}

// Pages that are in memory already cost the guest a fifth of a fault each when they are mapped beforehand.
void map_ahead(std::byte* host, std::uint64_t size) noexcept {
  constexpr std::uint64_t most = 256 << 10;
  (void)::madvise(host, std::min(size, most), MADV_POPULATE_READ);
}

}  // namespace

address_space::fault_result address_space::impl::share_run(vma& v, std::uint64_t vma_start,
                                                           std::uint64_t begin, std::uint64_t end) {
  const file_backing& f = *v.file;
  const std::uint64_t size = end - begin;
  if (f.charged && !charge(size)) return fault_result::over_budget;
  const auto give_up = [&](fault_result r) {
    if (f.charged) uncharge(size);
    return r;
  };
  if ((f.charged || (v.protection & PROT_WRITE)) && f.may_map && !f.may_map(size))
    return give_up(f.charged ? fault_result::over_budget : fault_result::no_content);
  const auto run = pool.take(size, page_size, frame_kind::window);
  if (!run) return give_up(fault_result::no_content);
  if (pool.place(*run, size, f.host, v.file_offset + (begin - vma_start), f.writable) != 0) {
    pool.give_back(run->guest_address, size);
    return give_up(fault_result::no_content);
  }
  if (!f.charged) map_ahead(run->host, size);
  const std::uint64_t flags = leaf_flags(v.protection) | (f.charged ? 0 : kvm::pte::uncharged);
  std::uint64_t mapped = 0;
  while (mapped < size && tables.set(begin + mapped, (run->guest_address + mapped) | flags))
    mapped += page_size;
  v.populated += mapped;
  if (mapped == size) return fault_result::resolved;
  pool.discard(run->guest_address + mapped, size - mapped);
  pool.give_back(run->guest_address + mapped, size - mapped);
  if (f.charged) uncharge(size - mapped);
  return fault_result::no_host_memory;
}

address_space::fault_result address_space::impl::share(vma& v, std::uint64_t vma_start, std::uint64_t begin,
                                                       std::uint64_t end) {
  return fill_gaps(v, vma_start, begin, std::min(end, content_end(v, vma_start)), &impl::share_run);
}

address_space::fault_result address_space::impl::share_piece(vma& v, std::uint64_t vma_start,
                                                             std::uint64_t va) {
  const std::uint64_t piece = piece_size(v);
  const std::uint64_t block = va & ~(piece - 1);
  auto r = share(v, vma_start, std::max(block, vma_start), std::min(block + piece, v.end));
  // A smaller piece may fit the budget.
  if (!tables.find(va).size) r = share(v, vma_start, page_floor(va), page_floor(va) + page_size);
  if (tables.find(va).size) return fault_result::resolved;
  return r == fault_result::resolved ? fault_result::no_content : r;  // behind the file's end
}

bool address_space::forget_missing() {
  const std::unique_lock lock(impl_->vma_lock);
  bool any = false;
  for (auto& [start, v] : impl_->vmas) {
    if (v.kind != vma_kind::shared) continue;
    const std::uint64_t from = content_end(v, start);
    if (from >= v.end) continue;
    bool found = false;
    {
      const std::scoped_lock populate(impl_->populate_lock);
      (void)impl_->tables.update(from, v.end, [&](std::uint64_t, std::uint64_t entry, std::uint64_t) {
        found = true;
        return entry;
      });
    }
    if (!found) continue;
    if (v.file->settle) v.file->settle();
    any = impl_->drop(from, v.end) || any;
  }
  return any;
}

std::uint64_t address_space::shared_address(std::uint64_t guest_physical) {
  const std::unique_lock lock(impl_->vma_lock);
  const std::scoped_lock populate(impl_->populate_lock);
  std::uint64_t at = 0;
  for (auto& [start, v] : impl_->vmas) {
    if (v.kind != vma_kind::shared || at) continue;
    (void)impl_->tables.update(start, v.end, [&](std::uint64_t va, std::uint64_t entry, std::uint64_t) {
      if ((entry & kvm::pte::address_mask) == page_floor(guest_physical)) at = va;
      return entry;
    });
  }
  return at;
}

bool address_space::has_shared_files() const noexcept {
  return impl_->shared_files.load(std::memory_order_acquire);
}

std::vector<std::shared_ptr<const file_backing>> address_space::shared_files(std::uint64_t va,
                                                                             std::uint64_t size) {
  const std::shared_lock lock(impl_->vma_lock);
  std::vector<std::shared_ptr<const file_backing>> files;
  for (const auto& [start, v] : impl_->vmas) {
    if (v.kind != vma_kind::shared || v.end <= va || start >= va + size) continue;
    if (std::find(files.begin(), files.end(), v.file) == files.end()) files.push_back(v.file);
  }
  return files;
}

std::int64_t address_space::residency(std::uint64_t va, std::uint64_t size, std::vector<unsigned char>& out) {
  const std::shared_lock lock(impl_->vma_lock);
  const std::scoped_lock populate(impl_->populate_lock);
  if (!impl_->range_mapped(va, va + size)) return -ENOMEM;
  out.clear();
  for (std::uint64_t at = va; at < va + size; at += page_size)
    out.push_back(impl_->tables.find(at).size != 0);
  return 0;
}

}  // namespace osvm::unikernel
