#include <osvm/core/mapping.hpp>

#include <sys/mman.h>

#include <cstdint>

namespace osvm {

void mapping::reset() noexcept {
  if (data_) ::munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

result<mapping> mapping::anonymous(std::size_t size, std::size_t alignment) {
  const std::size_t slack = alignment > 4096 ? alignment : 0;
  void* p = ::mmap(nullptr, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
  if (p == MAP_FAILED) return errno_error("mmap of anonymous memory");
  auto base = reinterpret_cast<std::uintptr_t>(p);
  const auto start = (base + alignment - 1) & ~(static_cast<std::uintptr_t>(alignment) - 1);
  if (start > base) ::munmap(p, start - base);
  if (const auto end = base + size + slack; end > start + size) {
    ::munmap(reinterpret_cast<void*>(start + size), end - (start + size));
  }
  return mapping(reinterpret_cast<void*>(start), size);
}

}  // namespace osvm
