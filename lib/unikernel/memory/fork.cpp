// fork(2): one address space becomes a copy of another. Private pages that have memory are copied at once: a
// write that faults later would cost more (an exit and a flush of shadow page tables each) than the copy does
// now.
#include "unikernel/memory/address_space_impl.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t kept_bits = ~kvm::pte::address_mask & ~kvm::pte::large & ~kvm::pte::image;

struct found_run {
  std::uint64_t va, size, entry;
};

// Leaves of [begin, end), in order; neighbours in both address spaces with equal flags are one run.
std::vector<found_run> runs_in(kvm::page_tables& tables, std::uint64_t begin, std::uint64_t end) {
  std::vector<found_run> runs;
  (void)tables.update(begin, end, [&](std::uint64_t va, std::uint64_t entry, std::uint64_t size) {
    if (!runs.empty()) {
      found_run& last = runs.back();
      const bool flags = ((last.entry ^ entry) & ~kvm::pte::address_mask) == 0;
      const bool next = last.va + last.size == va &&
                        (last.entry & kvm::pte::address_mask) + last.size == (entry & kvm::pte::address_mask);
      if (flags && next && !(entry & kvm::pte::large)) {
        last.size += size;
        return entry;
      }
    }
    runs.push_back({va, size, entry});
    return entry;
  });
  return runs;
}

}  // namespace

// Pages of the program's file that never were writable are the file's; the others are copied into the child's
// own private mapping of it.
bool address_space::impl::copy_image(impl& parent, int fd) {
  if (parent.image_size == 0) return true;
  const auto mapped = pool.map_file(fd, parent.image_size);
  if (!mapped) return false;
  image_va = parent.image_va;
  image_size = parent.image_size;
  for (const auto& [start, v] : parent.vmas) {
    if (v.kind != vma_kind::image) continue;
    for (const found_run& r : runs_in(parent.tables, start, v.end)) {
      if (!charge(r.size)) return false;
      const std::uint64_t offset = r.va - image_va;
      if (v.was_writable)
        std::memcpy(mapped->host + offset, parent.pool.host(r.entry & kvm::pte::address_mask), r.size);
      const std::uint64_t flags = (r.entry & kept_bits) | kvm::pte::image;
      for (std::uint64_t o = 0; o < r.size; o += page_size)
        if (!tables.set(r.va + o, (mapped->guest_address + offset + o) | flags)) return false;
    }
  }
  return true;
}

bool address_space::impl::copy_page_run(impl& parent, std::uint64_t va, std::uint64_t size,
                                        std::uint64_t entry) {
  const std::byte* from = parent.pool.host(entry & kvm::pte::address_mask);
  const std::uint64_t flags = entry & kept_bits;
  if (entry & kvm::pte::large) {
    if (const auto run = pool.take(size, size)) {
      std::memcpy(run->host, from, size);
      return tables.set_large(va, run->guest_address | flags);
    }
  }
  while (size > 0) {
    std::uint64_t piece = size;
    auto run = pool.take(piece, page_size);
    if (!run) run = pool.take(piece = page_size, page_size);
    if (!run) return false;
    std::memcpy(run->host, from, piece);
    for (std::uint64_t o = 0; o < piece; o += page_size)
      if (!tables.set(va + o, (run->guest_address + o) | flags)) return false;
    va += piece;
    from += piece;
    size -= piece;
  }
  return true;
}

bool address_space::impl::copy_private(impl& parent, std::uint64_t begin, const vma& v) {
  for (const found_run& r : runs_in(parent.tables, begin, v.end)) {
    if (!charge(r.size) || !copy_page_run(parent, r.va, r.size, r.entry)) return false;
  }
  return true;
}

std::int64_t address_space::copy(address_space& parent, int image) {
  impl& from = *parent.impl_;
  const std::unique_lock theirs(from.vma_lock);
  const std::scoped_lock their_pages(from.populate_lock);
  const std::unique_lock ours(impl_->vma_lock);
  const std::scoped_lock our_pages(impl_->populate_lock);
  impl_->break_start = from.break_start;
  impl_->break_end = from.break_end;
  impl_->map_top = from.map_top;
  impl_->image_name = from.image_name;
  impl_->shared_files = from.shared_files.load();
  if (!impl_->copy_image(from, image)) return -ENOMEM;
  for (const auto& [start, v] : from.vmas) {
    if (v.kind == vma_kind::special || v.not_forked) continue;
    vma mine = v;
    if (v.name == from.image_name.c_str()) mine.name = impl_->image_name.c_str();
    if (v.kind == vma_kind::shared || v.wiped_by_fork) mine.populated = 0;
    impl_->vmas.emplace(start, mine);
    if (v.kind == vma_kind::shared || v.kind == vma_kind::image || v.wiped_by_fork) continue;
    if (!impl_->copy_private(from, start, v)) return -ENOMEM;
  }
  from.flush_inner();
  return 0;
}

}  // namespace osvm::unikernel
