// Pages behind the map: handing out, dropping, moving and flushing them, and the VMM's own access to them.
#include "unikernel/memory/address_space_impl.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t first_piece = 64 << 10, later_piece = 256 << 10;

}  // namespace

std::uint64_t leaf_flags(int protection) noexcept {
  if (protection == PROT_NONE) return kvm::pte::backed | kvm::pte::no_execute;
  std::uint64_t flags = kvm::pte::present | kvm::pte::user | kvm::pte::backed | kvm::pte::accessed;
  if (protection & PROT_WRITE) flags |= kvm::pte::writable | kvm::pte::dirty;
  if (!(protection & PROT_EXEC)) flags |= kvm::pte::no_execute;
  return flags;
}

bool address_space::impl::charge(std::uint64_t size) noexcept {
  if (!account->charge(size)) return false;
  bytes.fetch_add(size, std::memory_order_relaxed);
  return true;
}

void address_space::impl::uncharge(std::uint64_t size) noexcept {
  bytes.fetch_sub(size, std::memory_order_relaxed);
  account->uncharge(size);
}

// Gives [begin, end), which has no pages, frames in as few runs as the pool has. Charged by the caller.
bool address_space::impl::hand_out(std::uint64_t flags, std::uint64_t begin, std::uint64_t end,
                                   frame_kind kind) {
  while (begin < end) {
    std::uint64_t size = end - begin;
    auto run = pool.take(size, page_size, kind);
    if (!run && size > page_size) run = pool.take(size = page_size, page_size, kind);
    if (!run) return false;
    for (std::uint64_t o = 0; o < size; o += page_size) {
      if (!tables.set(begin + o, (run->guest_address + o) | flags)) {
        pool.give_back(run->guest_address + o, size - o);
        return false;
      }
    }
    begin += size;
  }
  return true;
}

address_space::fault_result address_space::impl::populate(vma& v, std::uint64_t begin, std::uint64_t end) {
  const std::uint64_t flags = leaf_flags(v.protection);
  for (std::uint64_t at = begin; at < end;) {
    if (const auto leaf = tables.find(at); leaf.size) {
      at += page_size;
      continue;
    }
    std::uint64_t stop = at + page_size;
    while (stop < end && !tables.find(stop).size) stop += page_size;
    if (!charge(stop - at)) return fault_result::over_budget;
    if (!hand_out(flags, at, stop, frames_of(v))) {
      // Which pages got frames is in the tables; the charge for the rest is returned.
      std::uint64_t missing = 0;
      for (std::uint64_t p = at; p < stop; p += page_size) missing += tables.find(p).size ? 0 : page_size;
      uncharge(missing);
      return fault_result::no_host_memory;
    }
    v.populated += stop - at;
    at = stop;
  }
  return fault_result::resolved;
}

// Reads pages that are missing into fresh frames, and only then maps them: no vCPU sees a page without its
// content.
address_space::fault_result address_space::impl::read_run(vma& v, std::uint64_t vma_start,
                                                          std::uint64_t begin, std::uint64_t end) {
  std::uint64_t size = end - begin;
  if (!charge(size)) return fault_result::over_budget;
  auto run = pool.take(size, page_size);
  if (!run) {
    uncharge(size);
    return fault_result::no_host_memory;
  }
  const std::uint64_t offset = v.file_offset + (begin - vma_start);
  std::uint64_t got = 0;
  while (got < size) {
    const ssize_t n = ::pread(v.file->host, run->host + got, size - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    got += static_cast<std::uint64_t>(n);
  }
  const std::uint64_t used = page_ceil(got);  // pages wholly behind the file's end stay unmapped
  std::uint64_t mapped = 0;
  const std::uint64_t flags = leaf_flags(v.protection);
  while (mapped < used && tables.set(begin + mapped, (run->guest_address + mapped) | flags))
    mapped += page_size;
  v.populated += mapped;
  if (mapped < size) {
    (void)::madvise(run->host + mapped, size - mapped, MADV_DONTNEED);  // frames go back zeroed
    pool.give_back(run->guest_address + mapped, size - mapped);
    uncharge(size - mapped);
  }
  if (used == 0) return fault_result::no_content;
  return mapped < used ? fault_result::no_host_memory : fault_result::resolved;
}

address_space::fault_result address_space::impl::fill_gaps(vma& v, std::uint64_t vma_start,
                                                           std::uint64_t begin, std::uint64_t end,
                                                           run_filler fill) {
  for (std::uint64_t at = begin; at < end;) {
    if (tables.find(at).size) {
      at += page_size;
      continue;
    }
    std::uint64_t stop = at + page_size;
    while (stop < end && !tables.find(stop).size) stop += page_size;
    if (const auto r = (this->*fill)(v, vma_start, at, stop); r != fault_result::resolved) return r;
    at = stop;
  }
  return fault_result::resolved;
}

address_space::fault_result address_space::impl::populate_file(vma& v, std::uint64_t vma_start,
                                                               std::uint64_t begin, std::uint64_t end) {
  return fill_gaps(v, vma_start, begin, end, &impl::read_run);
}

// One fault hands out more the more its mapping has used: an exit costs as much as touching several pages.
address_space::fault_result address_space::impl::fault_piece(vma& v, std::uint64_t vma_start,
                                                             std::uint64_t va) {
  if (v.kind == vma_kind::shared) return share_piece(v, vma_start, va);
  if (v.kind == vma_kind::file) {
    const std::uint64_t begin = std::max(va & ~(first_piece - 1), vma_start);
    const std::uint64_t end = std::min((va & ~(first_piece - 1)) + first_piece, v.end);
    const auto r = populate_file(v, vma_start, begin, end);
    if (tables.find(va).size) return fault_result::resolved;
    if (r == fault_result::no_content || r == fault_result::resolved) return fault_result::no_content;
    return populate_file(v, vma_start, page_floor(va), page_floor(va) + page_size);
  }
  const std::uint64_t block = va & ~(kvm::large_page - 1);
  if (v.populated >= (1U << 20) && block >= vma_start && block + kvm::large_page <= v.end) {
    if (tables.empty_2m(va) && charge(kvm::large_page)) {
      if (const auto run = pool.take(kvm::large_page, kvm::large_page, frames_of(v))) {
        if (tables.set_large(block, run->guest_address | leaf_flags(v.protection))) {
          v.populated += kvm::large_page;
          return fault_result::resolved;
        }
        pool.give_back(run->guest_address, kvm::large_page);
      }
      uncharge(kvm::large_page);
    }
  }
  const std::uint64_t piece = v.populated < first_piece * 4 ? first_piece : later_piece;
  const std::uint64_t begin = std::max(va & ~(piece - 1), vma_start);
  const std::uint64_t end = std::min((va & ~(piece - 1)) + piece, v.end);
  const auto r = populate(v, begin, end);
  if (r == fault_result::resolved) return r;
  return populate(v, page_floor(va), page_floor(va) + page_size);
}

address_space::fault_result address_space::fault(std::uint64_t va, bool write, bool execute) {
  const std::shared_lock lock(impl_->vma_lock);
  auto it = impl_->find(va);
  if (it == impl_->vmas.end()) return fault_result::no_mapping;
  vma& v = it->second;
  if (v.protection == PROT_NONE || (write && !(v.protection & PROT_WRITE)) ||
      (execute && !(v.protection & PROT_EXEC))) {
    return fault_result::no_right;
  }
  if (v.kind == vma_kind::image || v.kind == vma_kind::special) return fault_result::resolved;
  const std::scoped_lock populate(impl_->populate_lock);
  const auto r = impl_->fault_piece(v, it->first, va);
  if (r == fault_result::over_budget) impl_->account->exhaust();
  return r;
}

void address_space::impl::flush(std::uint64_t guest_address, std::uint64_t size) noexcept {
  // An MMU-notifier event on the host range zaps what shadow page tables (or TLBs) still hold.
  if (options.flush_revoked) pool.notify(guest_address, size);
}

void address_space::impl::flush_inner() noexcept {
  if (tables.take_inner_change() && options.slots && options.flush_revoked) options.slots->flush_all();
}

bool address_space::impl::drop(std::uint64_t begin, std::uint64_t end) {
  struct run {
    std::uint64_t guest_address, size;
    std::uint64_t software;  // bits that all its entries have
  };
  std::vector<run> runs;
  const std::scoped_lock lock(populate_lock);
  const bool ok =
      tables.update(begin, end, [&](std::uint64_t, std::uint64_t entry, std::uint64_t span) -> std::uint64_t {
        const std::uint64_t gpa = entry & kvm::pte::address_mask;
        const std::uint64_t software = entry & kvm::pte::software;
        if (!runs.empty() && runs.back().software == software &&
            runs.back().guest_address + runs.back().size == gpa) {
          runs.back().size += span;
        } else {
          runs.push_back({gpa, span, software});
        }
        return 0;
      });
  for (const run& r : runs) {
    // Frees the content and tells KVM in one step; frames come back zeroed.
    if (options.flush_revoked) pool.discard(r.guest_address, r.size);
  }
  flush_inner();
  for (const run& r : runs) {
    if (!(r.software & kvm::pte::image)) pool.give_back(r.guest_address, r.size);
    if (!(r.software & kvm::pte::uncharged)) uncharge(r.size);
  }
  return ok;
}

bool address_space::impl::move_pages(std::uint64_t from, std::uint64_t to, std::uint64_t size) {
  struct moved {
    std::uint64_t va, entry, span;
  };
  std::vector<moved> pages;
  const std::scoped_lock lock(populate_lock);
  const bool ok = tables.update(
      from, from + size, [&](std::uint64_t va, std::uint64_t entry, std::uint64_t span) -> std::uint64_t {
        pages.push_back({va, entry, span});
        return 0;
      });
  if (!ok) return false;
  flush_inner();
  for (const moved& p : pages) {
    flush(p.entry & kvm::pte::address_mask, p.span);
    const std::uint64_t target = to + (p.va - from);
    const bool large = p.span == kvm::large_page && target % kvm::large_page == 0 && tables.empty_2m(target);
    if (large) {
      if (!tables.set_large(target, p.entry)) return false;
      continue;
    }
    const std::uint64_t flags = p.entry & ~kvm::pte::address_mask & ~kvm::pte::large;
    for (std::uint64_t o = 0; o < p.span; o += page_size) {
      if (!tables.set(target + o, ((p.entry & kvm::pte::address_mask) + o) | flags)) return false;
    }
  }
  return true;
}

std::int64_t address_space::impl::move(std::uint64_t from, std::uint64_t old_size, std::uint64_t to,
                                       std::uint64_t new_size) {
  const std::uint64_t kept = std::min(old_size, new_size);
  if (vmas.size() + 3 > max_vmas) return -ENOMEM;
  split(from);
  split(from + old_size);
  vma moved = find(from)->second;
  if (new_size < old_size && !drop(from + kept, from + old_size)) return -ENOMEM;
  if (!move_pages(from, to, kept)) return -ENOMEM;
  vmas.erase(from);
  moved.populated = 0;
  return insert(to, to + new_size, moved);
}

address_space::impl::host_page address_space::impl::page(std::uint64_t va, int right) {
  auto it = find(va);
  if (it == vmas.end()) return {};
  vma& v = it->second;
  if (v.protection == PROT_NONE && options.check_rights) return {};
  if ((right & PROT_WRITE) && !(v.protection & PROT_WRITE) && options.check_rights) return {};
  const std::scoped_lock lock(populate_lock);
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (const auto leaf = tables.find(va); leaf.size) {
      std::byte* host = pool.host(leaf.entry & kvm::pte::address_mask);
      if (!host) return {};
      return {host + (page_floor(va) & (leaf.size - 1)), v.kind == vma_kind::shared};
    }
    if (v.kind == vma_kind::image || v.kind == vma_kind::special || v.protection == PROT_NONE) return {};
    const auto r = fault_piece(v, it->first, va);
    if (r == fault_result::no_content) return {};
    if (r != fault_result::resolved) {
      account->exhaust();
      return {};
    }
  }
  return {};
}

}  // namespace osvm::unikernel
