#include "unikernel/memory/frame_pool.hpp"

#include "kvm/page_tables.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t pool_begin = std::uint64_t{4} << 30;  // below: the system area
// Slots cost host memory by size on shadow-paging hosts (about 2.6 MiB per GiB), so they start small and
// double.
constexpr std::uint64_t first_bank = std::uint64_t{2} << 20, largest_bank = std::uint64_t{512} << 20;
// A window is a mapping of the embedder's process, whose number is bounded (vm.max_map_count, 65530), and its
// guest-physical room costs host memory even where the file's pages do not.
constexpr std::size_t max_windows = 4096;
constexpr std::uint64_t max_window_bytes = std::uint64_t{32} << 30;

constexpr std::size_t index(frame_kind kind) noexcept {
  return static_cast<std::size_t>(kind);
}

// Zeroed host memory in the form that frames of this kind need, over what lies there.
bool lay_out(const mapping& memory, frame_kind kind) noexcept {
  if (kind == frame_kind::own) return true;
  const bool shared = kind == frame_kind::shared;
  const int flags = MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE | (shared ? MAP_SHARED : MAP_PRIVATE);
  return ::mmap(memory.data(), memory.size(), shared ? PROT_READ | PROT_WRITE : PROT_NONE, flags, -1, 0) !=
         MAP_FAILED;
}

}  // namespace

frame_pool::frame_pool(const backing_options& options)
    : options_(options), next_address_(pool_begin), next_size_{first_bank, first_bank, first_bank} {}

std::optional<std::uint64_t> frame_pool::take_from(bank& b, std::uint64_t size, std::uint64_t alignment) {
  for (auto it = b.free.begin(); it != b.free.end(); ++it) {
    const auto [offset, length] = *it;
    const std::uint64_t start = (offset + alignment - 1) & ~(alignment - 1);
    if (start + size > offset + length) continue;
    b.free.erase(it);
    if (start > offset) b.free.emplace(offset, start - offset);
    if (start + size < offset + length) b.free.emplace(start + size, offset + length - start - size);
    return start;
  }
  return std::nullopt;
}

std::optional<frame_pool::run> frame_pool::take(std::uint64_t size, std::uint64_t alignment,
                                                frame_kind kind) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    for (auto& b : banks_) {
      if (b.kind != kind) continue;
      if (auto offset = take_from(b, size, alignment))
        return run{b.guest_address + *offset, b.memory.data() + *offset};
    }
    if (!grow(std::max(size, alignment), kind)) return std::nullopt;
  }
  return std::nullopt;
}

bool frame_pool::grow(std::uint64_t at_least, frame_kind kind) {
  std::uint64_t& next_size = next_size_[index(kind)];
  const std::uint64_t size = std::max(next_size, (at_least + kvm::large_page - 1) & ~(kvm::large_page - 1));
  if (kind == frame_kind::window && window_bytes_ + size > max_window_bytes) return false;
  // The last 4 MiB stay free for slot_installer::flush_all().
  if (next_address_ + size > (std::uint64_t{1} << options_.phys_bits) - 2 * kvm::large_page) return false;
  auto memory = mapping::anonymous(size, kvm::large_page);
  if (!memory || !lay_out(*memory, kind)) return false;
  // The first bank backs small programs page by page (a huge page would be zeroed and kept for a few touched
  // ones); later ones are big heaps.
  const bool heap = kind == frame_kind::own && options_.huge_pages && next_size > first_bank;
  (void)::madvise(memory->data(), size, heap ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  if (options_.slots && !options_.slots->install(next_address_, memory->data(), size)) return false;
  bank b;
  b.guest_address = next_address_;
  b.memory = std::move(*memory);
  b.kind = kind;
  b.free.emplace(0, size);
  banks_.push_back(std::move(b));
  next_address_ +=
      size + kvm::large_page;  // a hole: runs of frames never continue from one bank into the next
  next_size = std::min(size * 4, largest_bank);
  if (kind == frame_kind::window) window_bytes_ += size;
  return true;
}

result<frame_pool::run> frame_pool::map_file(int fd, std::uint64_t size) {
  OSVM_TRY(auto memory, mapping::anonymous(first_bank + size, kvm::large_page));
  std::byte* file = memory.data() + first_bank;
  if (::mmap(file, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) ==
      MAP_FAILED) {
    return errno_error("mapping the image");
  }
  (void)::madvise(memory.data(), first_bank, MADV_NOHUGEPAGE);
  const std::uint64_t address = next_address_;
  if (options_.slots) OSVM_CHECK(options_.slots->install(address, memory.data(), memory.size()));
  next_address_ += ((memory.size() + kvm::large_page - 1) & ~(kvm::large_page - 1)) + kvm::large_page;
  next_size_[index(frame_kind::own)] = first_bank * 4;
  bank b;
  b.guest_address = address;
  b.memory = std::move(memory);
  b.free.emplace(0, first_bank);
  banks_.push_back(std::move(b));
  return run{address + first_bank, file};
}

frame_pool::bank* frame_pool::bank_of(std::uint64_t guest_address) noexcept {
  return const_cast<bank*>(std::as_const(*this).bank_of(guest_address));
}
const frame_pool::bank* frame_pool::bank_of(std::uint64_t guest_address) const noexcept {
  for (const auto& b : banks_) {
    if (guest_address >= b.guest_address && guest_address - b.guest_address < b.memory.size()) return &b;
  }
  return nullptr;
}

void frame_pool::give_back(std::uint64_t guest_address, std::uint64_t size) {
  bank* b = bank_of(guest_address);
  if (!b) return;
  std::uint64_t offset = guest_address - b->guest_address;
  auto next = b->free.lower_bound(offset);
  if (next != b->free.end() && next->first == offset + size) {
    size += next->second;
    next = b->free.erase(next);
  }
  if (next != b->free.begin()) {
    auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      offset = previous->first;
      size += previous->second;
      b->free.erase(previous);
    }
  }
  b->free.emplace(offset, size);
}

int frame_pool::place(const run& where, std::uint64_t size, int fd, std::uint64_t offset, bool writable) {
  bank* b = bank_of(where.guest_address);
  if (!b || b->kind != frame_kind::window) return EINVAL;
  if (windows_ >= max_windows) return ENOSPC;
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  if (::mmap(where.host, size, protection, MAP_SHARED | MAP_FIXED, fd, static_cast<off_t>(offset)) ==
      MAP_FAILED) {
    return errno;
  }
  b->placed.emplace(where.guest_address - b->guest_address, size);
  ++windows_;
  return 0;
}

// Takes [offset, offset + size) out of the list of host mappings, which it may cut.
void frame_pool::unplace(bank& b, std::uint64_t offset, std::uint64_t size) {
  const std::uint64_t end = offset + size;
  auto it = b.placed.upper_bound(offset);
  if (it != b.placed.begin()) --it;
  while (it != b.placed.end() && it->first < end) {
    const auto [begin, length] = *it;
    const std::uint64_t stop = begin + length;
    if (stop <= offset) {
      ++it;
      continue;
    }
    it = b.placed.erase(it);
    --windows_;
    if (begin < offset) {
      b.placed.emplace(begin, offset - begin);
      ++windows_;
    }
    if (stop > end) {
      it = b.placed.emplace(end, stop - end).first;
      ++windows_;
    }
  }
}

void frame_pool::discard(std::uint64_t guest_address, std::uint64_t size) {
  bank* b = bank_of(guest_address);
  if (!b) return;
  std::byte* host = b->memory.data() + (guest_address - b->guest_address);
  switch (b->kind) {
    case frame_kind::own: (void)::madvise(host, size, MADV_DONTNEED); return;
    case frame_kind::shared: (void)::madvise(host, size, MADV_REMOVE); return;
    case frame_kind::window:
      (void)::mmap(host, size, PROT_NONE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      unplace(*b, guest_address - b->guest_address, size);
      return;
  }
}

void frame_pool::notify(std::uint64_t guest_address, std::uint64_t size) noexcept {
  bank* b = bank_of(guest_address);
  if (!b) return;
  std::byte* host = b->memory.data() + (guest_address - b->guest_address);
  if (b->kind == frame_kind::window) {
    // Pages of a shared file lose nothing by this, and whether they may be written stays as it is.
    (void)::madvise(host, size, MADV_DONTNEED);
    return;
  }
  (void)::mprotect(host, size, PROT_READ);
  (void)::mprotect(host, size, PROT_READ | PROT_WRITE);
}

std::byte* frame_pool::host(std::uint64_t guest_address) const noexcept {
  const bank* b = bank_of(guest_address);
  return b ? b->memory.data() + (guest_address - b->guest_address) : nullptr;
}

std::uint64_t frame_pool::resident_bytes() const {
  std::uint64_t pages = 0;
  std::vector<unsigned char> present;
  for (const auto& b : banks_) {
    if (b.kind == frame_kind::window) continue;
    present.resize(b.memory.size() / 4096);
    if (::mincore(b.memory.data(), b.memory.size(), present.data()) != 0) continue;
    pages += static_cast<std::uint64_t>(
        std::count_if(present.begin(), present.end(), [](unsigned char c) { return c & 1; }));
  }
  return pages * 4096;
}

}  // namespace osvm::unikernel
