// The memory of a guest as debuggers and core dumps see it.
#include "unikernel/memory/address_space_impl.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace osvm::unikernel {
namespace {

// As Linux dumps: what the guest may have changed, and of each file's mapping the first page, which names its
// build. Whatever else a file holds is read from that file. The program itself is dumped whole: where in its
// file a page lies is not kept.
bool may_have_changed(const vma& v) noexcept {
  switch (v.kind) {
    case vma_kind::anonymous:
    case vma_kind::image: return true;
    case vma_kind::file: return v.was_writable || (v.protection & PROT_WRITE) != 0;
    case vma_kind::shared: return v.file->charged;
    case vma_kind::special: return std::string_view(v.name) == "[vdso]";
  }
  return false;
}

void add_part(memory_plan& plan, const memory_plan::part& next) {
  if (!plan.parts.empty()) {
    memory_plan::part& last = plan.parts.back();
    if (last.va + last.size == next.va && last.protection == next.protection &&
        last.content == next.content) {
      last.size += next.size;
      return;
    }
  }
  plan.parts.push_back(next);
}

// Private pages of a file that were never touched are the file's, not zeroes.
void add_touched(kvm::page_tables& tables, std::uint64_t begin, const vma& v, memory_plan& plan) {
  std::uint64_t at = begin;
  (void)tables.update(begin, v.end, [&](std::uint64_t va, std::uint64_t entry, std::uint64_t size) {
    if (va > at) add_part(plan, {at, va - at, v.protection, false});
    add_part(plan, {va, size, v.protection, true});
    at = va + size;
    return entry;
  });
  if (at < v.end) add_part(plan, {at, v.end - at, v.protection, false});
}

bool write_whole(int fd, const std::byte* from, std::uint64_t size, std::uint64_t offset) {
  while (size > 0) {
    const ssize_t n = ::pwrite(fd, from, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = ENOSPC;
    if (n <= 0) return false;
    from += n;
    offset += static_cast<std::uint64_t>(n);
    size -= static_cast<std::uint64_t>(n);
  }
  return true;
}

}  // namespace

std::size_t address_space::peek(std::uint64_t va, std::span<std::byte> out) {
  const std::shared_lock lock(impl_->vma_lock);
  std::size_t done = 0;
  while (done < out.size() && va + done >= va && va + done < user_end) {
    const std::uint64_t at = va + done;
    const std::size_t n = std::min<std::size_t>(out.size() - done, page_size - at % page_size);
    const auto host = impl_->page(at, PROT_READ);
    if (!host || !impl_->copy(out.data() + done, host.at + at % page_size, n, host.of_file, false)) break;
    done += n;
  }
  return done;
}

bool address_space::patch(std::uint64_t va, std::span<const std::byte> in) {
  const std::shared_lock lock(impl_->vma_lock);
  for (std::size_t done = 0; done < in.size();) {
    const std::uint64_t at = va + done;
    if (at < va || at >= user_end) return false;
    const std::size_t n = std::min<std::size_t>(in.size() - done, page_size - at % page_size);
    const auto host = impl_->page(at, PROT_READ);
    if (!host || host.of_file) return false;
    std::memcpy(host.at + at % page_size, in.data() + done, n);
    done += n;
  }
  return true;
}

memory_plan address_space::plan_core() {
  impl& from = *impl_;
  const std::unique_lock lock(from.vma_lock);
  const std::scoped_lock pages(from.populate_lock);
  memory_plan plan;
  for (const auto& [start, v] : from.vmas) {
    const std::uint64_t size = v.end - start;
    if (v.kind == vma_kind::special && !may_have_changed(v)) continue;
    if (v.file) plan.files.push_back({start, size, v.file_offset, v.file->path});
    if (v.kind == vma_kind::image && start == from.image_va)
      plan.files.push_back({start, page_size, 0, from.image_name});
    if (v.kind == vma_kind::file && may_have_changed(v)) {
      add_touched(from.tables, start, v, plan);
      continue;
    }
    const bool whole = may_have_changed(v);
    const bool names_build =
        !whole && v.kind == vma_kind::file && v.file_offset == 0 && from.tables.find(start).size != 0;
    const std::uint64_t first = names_build ? std::min(size, page_size) : 0;
    if (first) add_part(plan, {start, first, v.protection, true});
    if (first < size) add_part(plan, {start + first, size - first, v.protection, whole});
  }
  from.flush_inner();
  return plan;
}

bool address_space::write_core_part(const memory_plan::part& which, int fd, std::uint64_t offset) {
  impl& from = *impl_;
  const std::unique_lock lock(from.vma_lock);
  const std::scoped_lock pages(from.populate_lock);
  bool ok = true;
  (void)from.tables.update(
      which.va, which.va + which.size, [&](std::uint64_t va, std::uint64_t entry, std::uint64_t size) {
        const std::byte* host = ok ? from.pool.host(entry & kvm::pte::address_mask) : nullptr;
        if (host) ok = write_whole(fd, host, size, offset + (va - which.va));
        return entry;
      });
  from.flush_inner();
  return ok;
}

}  // namespace osvm::unikernel
