#include "unikernel/memory/frame_pool.hpp"

#include <sys/mman.h>

#include <algorithm>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t pool_begin = std::uint64_t{4} << 30;  // below: the system area
constexpr std::uint64_t huge = std::uint64_t{2} << 20;
// Slots cost host memory by size on shadow-paging hosts (about 2.6 MiB per GiB), so they start small and
// double.
constexpr std::uint64_t first_bank = std::uint64_t{2} << 20, largest_bank = std::uint64_t{512} << 20;

}  // namespace

frame_pool::frame_pool(const backing_options& options)
    : options_(options), next_address_(pool_begin), next_size_(first_bank) {}

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

std::optional<frame_pool::run> frame_pool::take(std::uint64_t size, std::uint64_t alignment) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    for (auto& b : banks_) {
      if (auto offset = take_from(b, size, alignment))
        return run{b.guest_address + *offset, b.memory.data() + *offset};
    }
    if (!grow(std::max(size, alignment))) return std::nullopt;
  }
  return std::nullopt;
}

bool frame_pool::grow(std::uint64_t at_least) {
  const std::uint64_t size = std::max(next_size_, (at_least + huge - 1) & ~(huge - 1));
  // The last 4 MiB stay free for slot_installer::flush_all().
  if (next_address_ + size > (std::uint64_t{1} << options_.phys_bits) - 2 * huge) return false;
  auto memory = mapping::anonymous(size, huge);
  if (!memory) return false;
  // The first bank backs small programs page by page (a huge page would be zeroed and kept for a few touched
  // ones); later ones are big heaps.
  const bool heap = options_.huge_pages && next_size_ > first_bank;
  (void)::madvise(memory->data(), size, heap ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  if (options_.slots && !options_.slots->install(next_address_, memory->data(), size)) return false;
  bank b;
  b.guest_address = next_address_;
  b.memory = std::move(*memory);
  b.free.emplace(0, size);
  banks_.push_back(std::move(b));
  next_address_ += size + huge;  // a hole: runs of frames never continue from one bank into the next
  next_size_ = std::min(size * 4, largest_bank);
  return true;
}

result<frame_pool::run> frame_pool::map_file(int fd, std::uint64_t size) {
  OSVM_TRY(auto memory, mapping::anonymous(first_bank + size, huge));
  std::byte* file = memory.data() + first_bank;
  if (::mmap(file, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) ==
      MAP_FAILED) {
    return errno_error("mapping the image");
  }
  (void)::madvise(memory.data(), first_bank, MADV_NOHUGEPAGE);
  const std::uint64_t address = next_address_;
  if (options_.slots) OSVM_CHECK(options_.slots->install(address, memory.data(), memory.size()));
  next_address_ += ((memory.size() + huge - 1) & ~(huge - 1)) + huge;
  next_size_ = first_bank * 4;
  bank b;
  b.guest_address = address;
  b.memory = std::move(memory);
  b.free.emplace(0, first_bank);
  banks_.push_back(std::move(b));
  return run{address + first_bank, file};
}

void frame_pool::give_back(std::uint64_t guest_address, std::uint64_t size) {
  for (auto& b : banks_) {
    if (guest_address < b.guest_address || guest_address >= b.guest_address + b.memory.size()) continue;
    std::uint64_t offset = guest_address - b.guest_address;
    auto next = b.free.lower_bound(offset);
    if (next != b.free.end() && next->first == offset + size) {
      size += next->second;
      next = b.free.erase(next);
    }
    if (next != b.free.begin()) {
      auto previous = std::prev(next);
      if (previous->first + previous->second == offset) {
        offset = previous->first;
        size += previous->second;
        b.free.erase(previous);
      }
    }
    b.free.emplace(offset, size);
    return;
  }
}

std::byte* frame_pool::host(std::uint64_t guest_address) const noexcept {
  for (const auto& b : banks_) {
    if (guest_address >= b.guest_address && guest_address - b.guest_address < b.memory.size()) {
      return b.memory.data() + (guest_address - b.guest_address);
    }
  }
  return nullptr;
}

std::uint64_t frame_pool::resident_bytes() const {
  std::uint64_t pages = 0;
  std::vector<unsigned char> present;
  for (const auto& b : banks_) {
    present.resize(b.memory.size() / 4096);
    if (::mincore(b.memory.data(), b.memory.size(), present.data()) != 0) continue;
    pages += static_cast<std::uint64_t>(
        std::count_if(present.begin(), present.end(), [](unsigned char c) { return c & 1; }));
  }
  return pages * 4096;
}

}  // namespace osvm::unikernel
