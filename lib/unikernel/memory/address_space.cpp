// Changes to the map of a guest's memory: map, unmap, protect, remap, break.
#include "unikernel/memory/address_space.hpp"

#include "unikernel/memory/address_space_impl.hpp"

#include <sys/mman.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t eager_limit = 192
                                      << 10;  // smaller mappings get their pages at once: an exit costs more
// Pieces of a library that its loader puts in place: nearly all of such a piece is used, and one read is
// cheaper than an exit for every 64 KiB. What is mapped without an address is often replaced at once, or
// large and used in part.
constexpr std::uint64_t eager_file_limit = 2 << 20;
// Beyond so many separate ranges of one mprotect(), dropping every shadow page costs less than telling of
// each.
constexpr unsigned max_flushes = 64;

bool valid_range(std::uint64_t va, std::uint64_t size) noexcept {
  return va >= user_begin && va <= user_end && size <= user_end - va;
}

// A page that the host has already mapped costs the guest a fifth of one that it has not (measured: 2.6
// against 13 us), and mapping many at once is nearly free. Read: shared pages of the image file. Written: the
// program's data, which it will touch anyway.
void populate_image(std::byte* host, std::uint64_t size, std::span<const image_range> ranges) noexcept {
  constexpr std::uint64_t most_read = 4 << 20, most_written = 64 << 10;
  (void)::madvise(host, std::min(size, most_read), MADV_POPULATE_READ);
  for (const image_range& r : ranges) {
    if (r.protection & PROT_WRITE)
      (void)::madvise(host + r.offset, std::min(r.size, most_written), MADV_POPULATE_WRITE);
  }
}

}  // namespace

address_space::impl::impl(backing_options o, std::shared_ptr<memory_account> counted)
    : options(o),
      account(std::move(counted)),
      area(o.slots ? kvm::system_area::installer(
                         [s = o.slots](std::uint64_t gpa, void* host, std::uint64_t size) {
                           return s->install(gpa, host, size);
                         })
                   : kvm::system_area::installer{},
           o.user_stub ? kvm::syscall_stub::user : kvm::syscall_stub::supervisor),
      tables(area),
      pool(o) {}

address_space::impl::~impl() {
  account->uncharge(bytes.load(std::memory_order_relaxed));
}

address_space::address_space(backing_options options, std::shared_ptr<memory_account> account)
    : impl_(std::make_unique<impl>(options, std::move(account))) {}
address_space::address_space(backing_options options, std::uint64_t budget)
    : address_space(options, std::make_shared<memory_account>(budget)) {}
address_space::~address_space() = default;

result<void> address_space::start() {
  // Page tables for a fully used budget take 1/512 of it; sparse use more, and an eighth bounds that.
  OSVM_CHECK(
      impl_->area.start(std::max<std::uint64_t>(impl_->account->budget() / 8, std::uint64_t{2} << 20)));
  if (!impl_->tables.start() || !impl_->area.map_into(impl_->tables)) {
    return error(osvm::errc::limit_exceeded, "no memory for page tables");
  }
  return {};
}

vma_map::iterator address_space::impl::find(std::uint64_t va) {
  auto it = vmas.upper_bound(va);
  if (it == vmas.begin()) return vmas.end();
  --it;
  return va < it->second.end ? it : vmas.end();
}

bool address_space::impl::range_free(std::uint64_t begin, std::uint64_t end) const {
  auto it = vmas.lower_bound(begin);
  if (it != vmas.end() && it->first < end) return false;
  return it == vmas.begin() || std::prev(it)->second.end <= begin;
}

bool address_space::impl::range_mapped(std::uint64_t begin, std::uint64_t end) const {
  auto it = vmas.upper_bound(begin);
  if (it == vmas.begin()) return false;
  --it;
  while (it != vmas.end() && it->first <= begin && begin < it->second.end) {
    begin = it->second.end;
    if (begin >= end) return true;
    ++it;
  }
  return false;
}

std::uint64_t address_space::impl::find_gap(std::uint64_t size, std::uint64_t hint,
                                            std::uint64_t alignment) const {
  hint = page_floor(hint);
  if (hint >= user_begin && valid_range(hint, size) && range_free(hint, hint + size)) return hint;
  // Highest gap below map_top, walking the map downwards.
  std::uint64_t ceiling = map_top;
  auto it = vmas.lower_bound(map_top);
  while (true) {
    const std::uint64_t floor = it == vmas.begin() ? user_begin : std::prev(it)->second.end;
    if (floor < ceiling && ceiling - floor >= size) {
      const std::uint64_t start = (ceiling - size) & ~(alignment - 1);
      if (start >= floor) return start;
    }
    if (it == vmas.begin()) return 0;
    --it;
    ceiling = std::min(ceiling, it->first);
  }
}

void address_space::impl::split(std::uint64_t at) {
  auto it = find(at);
  if (it == vmas.end() || it->first == at) return;
  vma upper = it->second;
  upper.file_offset += at - it->first;
  it->second.end = at;
  vmas.emplace(at, upper);
}

void address_space::impl::merge_around(std::uint64_t begin, std::uint64_t end) {
  auto it = vmas.lower_bound(begin);
  if (it != vmas.begin()) --it;
  while (it != vmas.end() && it->first <= end) {
    auto next = std::next(it);
    if (next == vmas.end()) return;
    vma& a = it->second;
    const vma& b = next->second;
    if (a.end == next->first && a.protection == b.protection && a.kind == b.kind &&
        a.kind == vma_kind::anonymous && a.was_writable == b.was_writable && a.grows_down == b.grows_down &&
        a.shared == b.shared && a.not_forked == b.not_forked && a.wiped_by_fork == b.wiped_by_fork &&
        a.name == b.name) {
      a.end = b.end;
      a.populated += b.populated;
      vmas.erase(next);
    } else {
      it = next;
    }
  }
}

std::int64_t address_space::impl::insert(std::uint64_t begin, std::uint64_t end, vma v) {
  if (vmas.size() >= max_vmas) return -ENOMEM;
  v.end = end;
  v.was_writable = v.was_writable || (v.protection & PROT_WRITE);
  auto [it, inserted] = vmas.emplace(begin, v);
  (void)inserted;
  if (v.kind == vma_kind::anonymous && v.protection != PROT_NONE && end - begin <= eager_limit) {
    fault_result r = fault_result::resolved;
    {
      const std::scoped_lock lock(populate_lock);
      r = populate(it->second, begin, end);
    }
    if (r != fault_result::resolved) {
      unmap_locked(begin, end);
      return -ENOMEM;
    }
  }
  merge_around(begin, end);
  return static_cast<std::int64_t>(begin);
}

std::int64_t address_space::map(const map_request& r) {
  if (r.size == 0) return -EINVAL;
  if (r.size > user_end) return -ENOMEM;
  const std::uint64_t size = page_ceil(r.size);
  // As Linux' heuristic overcommit: a single writable mapping that can never be filled is refused at once.
  const bool filled = !r.no_reserve && !(r.file && r.shared);
  if ((r.protection & PROT_WRITE) && filled && size > impl_->account->budget()) return -ENOMEM;
  const std::unique_lock lock(impl_->vma_lock);
  std::uint64_t begin = r.address;
  if (r.fixed) {
    if (begin % page_size) return -EINVAL;
    if (!valid_range(begin, size)) return begin < user_begin ? -EPERM : -ENOMEM;
    if (r.no_replace && !impl_->range_free(begin, begin + size)) return -EEXIST;
    if (const auto e = impl_->unmap_locked(begin, begin + size); e < 0) return e;
  } else {
    begin = impl_->find_gap(size, r.address, size >= kvm::large_page ? kvm::large_page : page_size);
    if (begin == 0) return -ENOMEM;
  }
  vma v;
  v.protection = r.protection;
  v.grows_down = r.grows_down;
  v.name = r.name;
  v.shared = r.shared;
  return r.file ? impl_->insert_file(r, begin, v) : impl_->insert(begin, begin + size, v);
}

std::int64_t address_space::impl::insert_file(const map_request& r, std::uint64_t begin, vma v) {
  const std::uint64_t end = begin + page_ceil(r.size);
  v.kind = v.shared ? vma_kind::shared : vma_kind::file;
  v.file = r.file;
  v.file_offset = r.file_offset;
  if (v.shared) shared_files.store(true, std::memory_order_release);
  const auto at = insert(begin, end, v);
  if (at < 0 || v.protection == PROT_NONE) return at;
  // What cannot be mapped or read now is decided when it is touched.
  const std::scoped_lock populate(populate_lock);
  if (v.shared && end - begin <= eager_limit) (void)share(find(begin)->second, begin, begin, end);
  if (!v.shared && r.fixed && end - begin <= eager_file_limit)
    (void)populate_file(find(begin)->second, begin, begin, end);
  return at;
}

std::int64_t address_space::map_image(std::uint64_t va, std::uint64_t size, int fd,
                                      std::span<const image_range> ranges) {
  if (va % page_size || size % page_size || size == 0 || !valid_range(va, size)) return -EINVAL;
  const std::unique_lock lock(impl_->vma_lock);
  if (!impl_->range_free(va, va + size)) return -EEXIST;
  const auto image = impl_->pool.map_file(fd, size);
  if (!image) return -ENOMEM;
  impl_->image_va = va;
  impl_->image_size = size;
  populate_image(image->host, size, ranges);
  for (const image_range& r : ranges) {
    if (!impl_->charge(r.size)) return -ENOMEM;
    const std::uint64_t flags = leaf_flags(r.protection) | kvm::pte::image;
    for (std::uint64_t o = r.offset; o < r.offset + r.size; o += page_size) {
      if (!impl_->tables.set(va + o, (image->guest_address + o) | flags)) return -ENOMEM;
    }
    vma v;
    v.protection = r.protection;
    v.kind = vma_kind::image;
    v.populated = r.size;
    v.name = impl_->image_name.c_str();
    if (const auto e = impl_->insert(va + r.offset, va + r.offset + r.size, v); e < 0) return e;
  }
  return 0;
}

void address_space::name_image(std::string name) {
  impl_->image_name = std::move(name);
}
void address_space::set_map_top(std::uint64_t top) noexcept {
  impl_->map_top = page_floor(std::min(top, mmap_limit));
}

std::byte* address_space::map_special(std::uint64_t va, std::uint64_t size, int protection,
                                      const char* name) {
  const std::unique_lock lock(impl_->vma_lock);
  if (va % page_size || size % page_size || !impl_->range_free(va, va + size) || !impl_->charge(size))
    return nullptr;
  const auto run = impl_->pool.take(size, page_size);
  if (!run) return nullptr;
  for (std::uint64_t o = 0; o < size; o += page_size) {
    if (!impl_->tables.set(va + o, (run->guest_address + o) | leaf_flags(protection))) return nullptr;
  }
  vma v;
  v.protection = protection;
  v.kind = vma_kind::special;
  v.populated = size;
  v.name = name;
  return impl_->insert(va, va + size, v) < 0 ? nullptr : run->host;
}

std::int64_t address_space::impl::unmap_locked(std::uint64_t begin, std::uint64_t end) {
  for (auto it = vmas.lower_bound(begin); it != vmas.end() && it->first < end; ++it) {
    if (it->second.kind == vma_kind::special) return -EPERM;
  }
  if (auto it = find(begin); it != vmas.end() && it->second.kind == vma_kind::special) return -EPERM;
  if (vmas.size() + 2 > max_vmas) return -ENOMEM;
  split(begin);
  split(end);
  auto it = vmas.lower_bound(begin);
  for (; it != vmas.end() && it->first < end; ++it) {
    if (it->second.file && it->second.file->settle) it->second.file->settle();
  }
  if (!drop(begin, end)) return -ENOMEM;
  it = vmas.lower_bound(begin);
  while (it != vmas.end() && it->first < end) it = vmas.erase(it);
  return 0;
}

std::int64_t address_space::unmap(std::uint64_t va, std::uint64_t size) {
  if (va % page_size || size == 0) return -EINVAL;
  size = page_ceil(size);
  if (size == 0 || va > user_end || size > user_end - va) return -EINVAL;
  const std::unique_lock lock(impl_->vma_lock);
  return impl_->unmap_locked(va, va + size);
}

std::int64_t address_space::protect(std::uint64_t va, std::uint64_t size, int protection,
                                    bool allow_new_execute) {
  if (va % page_size || (protection & ~(PROT_READ | PROT_WRITE | PROT_EXEC))) return -EINVAL;
  if (size == 0) return 0;
  if (size > user_end || !valid_range(va, size = page_ceil(size))) return -ENOMEM;
  const std::uint64_t end = va + size;
  const std::unique_lock lock(impl_->vma_lock);
  if (!impl_->range_mapped(va, end)) return -ENOMEM;
  if (impl_->vmas.size() + 2 > max_vmas) return -ENOMEM;
  impl_->split(va);
  impl_->split(end);
  for (auto it = impl_->vmas.lower_bound(va); it != impl_->vmas.end() && it->first < end; ++it) {
    const vma& v = it->second;
    if (v.kind == vma_kind::special) return -EACCES;
    const bool new_execute = (protection & PROT_EXEC) && !(v.protection & PROT_EXEC);
    const bool both = (protection & PROT_EXEC) && (protection & PROT_WRITE);
    const bool pristine = v.file && v.file->trusted && !v.was_writable;
    if (((new_execute && !pristine) || both) && !allow_new_execute) return -EACCES;
    if (v.kind == vma_kind::shared && (protection & PROT_WRITE) && !v.file->writable) return -EACCES;
  }
  // Pages of a file that become writable are mapped anew when they are touched: that is when they are
  // counted.
  for (auto it = impl_->vmas.lower_bound(va); it != impl_->vmas.end() && it->first < end; ++it) {
    const vma& v = it->second;
    if (!v.file || !v.file->may_map || v.file->charged) continue;
    if (!(protection & ~v.protection & PROT_WRITE)) continue;
    if (!impl_->drop(it->first, v.end)) return -ENOMEM;
  }
  const std::uint64_t flags = leaf_flags(protection);
  std::uint64_t flush_from = 0;
  std::uint64_t flush_size = 0;
  unsigned flushes = 0;
  const auto flush_run = [&] {
    if (flush_from && (++flushes <= max_flushes || !impl_->options.slots))
      impl_->flush(flush_from, flush_size);
  };
  const auto visit = [&](std::uint64_t, std::uint64_t entry, std::uint64_t span) {
    const std::uint64_t kept = entry & (kvm::pte::address_mask | kvm::pte::large | kvm::pte::software);
    const std::uint64_t now = kept | flags;
    const bool loses = ((entry & kvm::pte::present) && !(now & kvm::pte::present)) ||
                       ((entry & kvm::pte::writable) && !(now & kvm::pte::writable)) ||
                       (!(entry & kvm::pte::no_execute) && (now & kvm::pte::no_execute));
    if (loses) {  // adjacent pages are flushed together, after the entries are written
      const std::uint64_t at = entry & kvm::pte::address_mask;
      if (flush_from && at == flush_from + flush_size) {
        flush_size += span;
      } else {
        flush_run();
        flush_from = at;
        flush_size = span;
      }
    }
    return now;
  };
  {
    const std::scoped_lock populate(impl_->populate_lock);
    if (!impl_->tables.update(va, end, visit)) return -ENOMEM;
    flush_run();
    if (flushes > max_flushes && impl_->options.slots && impl_->options.flush_revoked)
      impl_->options.slots->flush_all();
    impl_->flush_inner();
  }
  for (auto it = impl_->vmas.lower_bound(va); it != impl_->vmas.end() && it->first < end; ++it) {
    it->second.protection = protection;
    it->second.was_writable = it->second.was_writable || (protection & PROT_WRITE);
  }
  impl_->merge_around(va, end);
  return 0;
}

// mremap() of nothing: a second mapping of the same shared pages.
std::int64_t address_space::impl::map_again(std::uint64_t va, std::uint64_t size, int flags,
                                            std::uint64_t target) {
  const auto it = find(va);
  if (it->second.kind != vma_kind::shared || !(flags & MREMAP_MAYMOVE)) return -EINVAL;
  vma v = it->second;
  const map_request r{.size = size, .file = v.file, .file_offset = v.file_offset + (va - it->first)};
  v.populated = 0;
  if (flags & MREMAP_FIXED) {
    if (!valid_range(target, size)) return -EINVAL;
    if (const auto e = unmap_locked(target, target + size); e < 0) return e;
  } else {
    target = find_gap(size, 0, page_size);
    if (target == 0) return -ENOMEM;
  }
  return insert_file(r, target, std::move(v));
}

std::int64_t address_space::remap(std::uint64_t va, std::uint64_t old_size, std::uint64_t new_size, int flags,
                                  std::uint64_t target) {
  if (va % page_size || (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) || new_size == 0) return -EINVAL;
  if ((flags & MREMAP_FIXED) && (!(flags & MREMAP_MAYMOVE) || target % page_size)) return -EINVAL;
  if (old_size > user_end || new_size > user_end) return -EINVAL;
  old_size = page_ceil(old_size);
  new_size = page_ceil(new_size);
  if (!valid_range(va, old_size)) return -EFAULT;
  const std::unique_lock lock(impl_->vma_lock);
  auto it = impl_->find(va);
  if (it == impl_->vmas.end() || it->second.end < va + old_size) return -EFAULT;
  if (it->second.kind == vma_kind::image || it->second.kind == vma_kind::special) return -EFAULT;
  if (old_size == 0) return impl_->map_again(va, new_size, flags, target);
  if (new_size > old_size && (it->second.protection & PROT_WRITE) && it->second.kind != vma_kind::shared &&
      new_size > impl_->account->budget())
    return -ENOMEM;
  if (!(flags & MREMAP_FIXED)) {
    if (new_size <= old_size) {
      if (new_size < old_size) {
        if (const auto e = impl_->unmap_locked(va + new_size, va + old_size); e < 0) return e;
      }
      return static_cast<std::int64_t>(va);
    }
    if (valid_range(va, new_size) && impl_->range_free(va + old_size, va + new_size)) {
      vma grown = it->second;
      grown.populated = 0;
      grown.file_offset += va + old_size - it->first;
      const auto at = impl_->insert(va + old_size, va + new_size, grown);
      return at < 0 ? at : static_cast<std::int64_t>(va);
    }
    if (!(flags & MREMAP_MAYMOVE)) return -ENOMEM;
    target = impl_->find_gap(new_size, 0, new_size >= kvm::large_page ? kvm::large_page : page_size);
    if (target == 0) return -ENOMEM;
  } else {
    if (!valid_range(target, new_size)) return -EINVAL;
    if (target < va + old_size && va < target + new_size) return -EINVAL;
    if (const auto e = impl_->unmap_locked(target, target + new_size); e < 0) return e;
  }
  return impl_->move(va, old_size, target, new_size);
}

namespace {

// 0, or the errno that Linux has for advice that it does not know or that does not fit the mapping.
int check_advice(const vma& v, int advice) noexcept {
  switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE: return 0;
    case MADV_DONTNEED: return v.kind == vma_kind::special ? EINVAL : 0;
    case MADV_FREE:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:  // private anonymous memory only
      return v.kind == vma_kind::anonymous && !v.shared ? 0 : EINVAL;
    default: return EINVAL;
  }
}

}  // namespace

namespace {

bool is_fork_advice(int advice) noexcept {
  return advice == MADV_DONTFORK || advice == MADV_DOFORK || advice == MADV_WIPEONFORK ||
         advice == MADV_KEEPONFORK;
}

void note_fork_advice(vma& v, int advice) noexcept {
  if (!is_fork_advice(advice) || check_advice(v, advice) != 0) return;
  if (advice == MADV_DONTFORK || advice == MADV_DOFORK) v.not_forked = advice == MADV_DONTFORK;
  if (advice == MADV_WIPEONFORK || advice == MADV_KEEPONFORK) v.wiped_by_fork = advice == MADV_WIPEONFORK;
}

}  // namespace

bool address_space::impl::all_take_advice(std::uint64_t begin, std::uint64_t end, int advice) {
  auto it = vmas.upper_bound(begin);
  if (it != vmas.begin() && std::prev(it)->second.end > begin) --it;
  for (; it != vmas.end() && it->first < end; ++it)
    if (check_advice(it->second, advice) != 0) return false;
  return true;
}

// One mapping's part of an madvise(). Exclusive lock held for advice that drops pages.
std::int64_t address_space::impl::advise_part(vma& v, std::uint64_t start, std::uint64_t begin,
                                              std::uint64_t end, int advice) {
  if (const int e = check_advice(v, advice)) return -e;
  if (advice == MADV_DONTNEED || advice == MADV_FREE) {
    // An image's pages would come back from the file; the guest's own start-up never asks for that. Shared
    // pages keep their content.
    return v.kind == vma_kind::image || v.shared || drop(begin, end) ? 0 : -ENOMEM;
  }
  if (advice != MADV_POPULATE_READ && advice != MADV_POPULATE_WRITE) return 0;
  if (!(v.protection & (advice == MADV_POPULATE_READ ? PROT_READ : PROT_WRITE))) return -EINVAL;
  const std::scoped_lock lock(populate_lock);
  const auto r = v.kind == vma_kind::file        ? populate_file(v, start, begin, end)
                 : v.kind == vma_kind::shared    ? share(v, start, begin, end)
                 : v.kind == vma_kind::anonymous ? populate(v, begin, end)
                                                 : fault_result::resolved;
  return r == fault_result::resolved ? 0 : r == fault_result::no_content ? -EFAULT : -ENOMEM;
}

std::int64_t address_space::advise(std::uint64_t va, std::uint64_t size, int advice) {
  if (va % page_size) return -EINVAL;
  const vma any;
  const bool known = check_advice(any, advice) == 0;
  if (!known || size > user_end) return -EINVAL;
  size = page_ceil(size);
  if (size == 0) return 0;
  if (va > user_end || size > user_end - va) return -ENOMEM;
  const std::uint64_t end = va + size;
  const std::unique_lock lock(impl_->vma_lock);
  // Kept in the map, whose entries are cut to the range.
  const bool kept_in_map = is_fork_advice(advice) && impl_->all_take_advice(va, end, advice);
  if (kept_in_map) {
    if (impl_->vmas.size() + 2 > max_vmas) return -ENOMEM;
    impl_->split(va);
    impl_->split(end);
  }
  bool hole = false;
  std::uint64_t at = va;
  auto it = impl_->vmas.upper_bound(va);
  if (it != impl_->vmas.begin() && std::prev(it)->second.end > va) --it;
  for (; it != impl_->vmas.end() && it->first < end; ++it) {
    hole = hole || it->first > at;
    const std::uint64_t stop = std::min(end, it->second.end);
    if (kept_in_map) note_fork_advice(it->second, advice);
    if (const auto r = impl_->advise_part(it->second, it->first, std::max(va, it->first), stop, advice);
        r < 0)
      return r;
    at = stop;
  }
  if (kept_in_map) impl_->merge_around(va, end);
  return hole || at < end ? -ENOMEM : 0;  // as Linux: what is mapped was served all the same
}

void address_space::init_break(std::uint64_t start) noexcept {
  impl_->break_start = impl_->break_end = page_ceil(start);
}

std::int64_t address_space::set_break(std::uint64_t wanted) {
  const std::unique_lock lock(impl_->vma_lock);
  const std::uint64_t now = impl_->break_end;
  if (wanted < impl_->break_start || wanted > user_end) return static_cast<std::int64_t>(now);
  const std::uint64_t old_page = page_ceil(now);
  const std::uint64_t new_page = page_ceil(wanted);
  if (new_page > old_page) {
    if (new_page - impl_->break_start > impl_->account->budget() || !impl_->range_free(old_page, new_page)) {
      return static_cast<std::int64_t>(now);
    }
    vma v;
    v.protection = PROT_READ | PROT_WRITE;
    v.name = "[heap]";
    if (impl_->insert(old_page, new_page, v) < 0) return static_cast<std::int64_t>(now);
  } else if (new_page < old_page) {
    if (impl_->unmap_locked(new_page, old_page) < 0) return static_cast<std::int64_t>(now);
  }
  impl_->break_end = wanted;
  return static_cast<std::int64_t>(wanted);
}

result<kvm::system_area::vcpu_area> address_space::prepare_vcpu(unsigned id, std::uint32_t ring_rounds) {
  const std::shared_lock lock(impl_->vma_lock);
  const std::scoped_lock populate(impl_->populate_lock);
  return impl_->area.prepare_vcpu(id, impl_->tables, ring_rounds);
}

bool address_space::over_budget() const noexcept {
  return impl_->account->exhausted();
}

memory_usage address_space::usage() const {
  memory_usage u;
  u.bytes = impl_->bytes.load(std::memory_order_relaxed);
  u.peak_bytes = impl_->account->peak();
  const std::shared_lock lock(impl_->vma_lock);
  const std::scoped_lock populate(impl_->populate_lock);
  u.resident_bytes = impl_->pool.resident_bytes();
  u.page_table_bytes = impl_->tables.bytes();
  return u;
}

std::string address_space::describe_maps() const {
  const std::shared_lock lock(impl_->vma_lock);
  std::string out;
  char line[160];
  for (const auto& [start, v] : impl_->vmas) {
    const std::uint64_t device = v.file ? v.file->device : 0;
    const int n = std::snprintf(
        line, sizeof line, "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " %02x:%02x %" PRIu64 " ", start,
        v.end, v.protection & PROT_READ ? 'r' : '-', v.protection & PROT_WRITE ? 'w' : '-',
        v.protection & PROT_EXEC ? 'x' : '-', v.shared ? 's' : 'p', v.file_offset, ::gnu_dev_major(device),
        ::gnu_dev_minor(device), v.file ? v.file->inode : 0);
    out += line;
    const std::string_view name = v.file ? std::string_view(v.file->path) : std::string_view(v.name);
    constexpr int name_column = 73;
    if (!name.empty()) out.append(static_cast<std::size_t>(std::max(0, name_column - n)), ' ').append(name);
    out += '\n';
  }
  return out;
}

}  // namespace osvm::unikernel
