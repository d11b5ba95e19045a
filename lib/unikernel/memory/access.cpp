// The VMM's own access to guest memory.
#include "unikernel/memory/address_space_impl.hpp"
#include "unikernel/memory/fallible_copy.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace osvm::unikernel {

bool address_space::poke(std::uint64_t va, const void* in, std::size_t size) {
  const std::shared_lock lock(impl_->vma_lock);
  const auto* bytes = static_cast<const std::byte*>(in);
  while (size) {
    const std::uint64_t offset = va % page_size;
    const std::size_t n = std::min<std::size_t>(size, page_size - offset);
    const auto host = impl_->page(va, PROT_READ);
    if (!host) return false;
    std::memcpy(host.at + offset, bytes, n);
    va += n;
    bytes += n;
    size -= n;
  }
  return true;
}

bool address_space::impl::copy(void* to, const void* from, std::size_t size, bool guarded,
                               bool writes) const noexcept {
  if (guarded && options.guard_copies)
    return writes ? copy_to_mapped(to, from, size) : copy_from_mapped(to, from, size);
  std::memcpy(to, from, size);
  return true;
}

memory_access::memory_access(address_space& space) : space_(space), lock_(space.impl_->vma_lock) {}

std::size_t memory_access::spans(std::uint64_t va, std::size_t size, int right, std::vector<iovec>& out) {
  std::size_t done = 0;
  while (done < size) {
    if (va + done < va || va + done >= user_end) break;
    const std::uint64_t at = va + done;
    const std::uint64_t offset = at % page_size;
    const auto host = space_.impl_->page(at, right);
    if (!host) break;
    const std::size_t n = std::min<std::size_t>(size - done, page_size - offset);
    std::byte* begin = host.at + offset;
    if (done && !out.empty() && static_cast<std::byte*>(out.back().iov_base) + out.back().iov_len == begin) {
      out.back().iov_len += n;
    } else {
      out.push_back({begin, n});
    }
    done += n;
  }
  return done;
}

bool memory_access::copy_out(void* to, const void* from, std::size_t size) const noexcept {
  return space_.impl_->copy(to, from, size, space_.has_shared_files(), false);
}
bool memory_access::copy_in(void* to, const void* from, std::size_t size) const noexcept {
  return space_.impl_->copy(to, from, size, space_.has_shared_files(), true);
}

namespace {

// Copies page by page; the host pointer is valid for one page only.
template <class Copy>
bool each_page(std::uint64_t va, std::size_t size, const Copy& copy) {
  if (size && (va + size < va || va + size > user_end)) return false;
  std::size_t done = 0;
  while (done < size) {
    const std::size_t n = std::min<std::size_t>(size - done, page_size - (va + done) % page_size);
    if (!copy(va + done, done, n)) return false;
    done += n;
  }
  return true;
}

}  // namespace

bool memory_access::read(std::uint64_t va, void* out, std::size_t size) {
  return each_page(va, size, [&](std::uint64_t at, std::size_t done, std::size_t n) {
    const auto host = space_.impl_->page(at, PROT_READ);
    auto* to = static_cast<std::byte*>(out) + done;
    return host && space_.impl_->copy(to, host.at + at % page_size, n, host.of_file, false);
  });
}

bool memory_access::write(std::uint64_t va, const void* in, std::size_t size) {
  return each_page(va, size, [&](std::uint64_t at, std::size_t done, std::size_t n) {
    const auto host = space_.impl_->page(at, PROT_WRITE);
    const auto* from = static_cast<const std::byte*>(in) + done;
    return host && space_.impl_->copy(host.at + at % page_size, from, n, host.of_file, true);
  });
}

std::uint32_t* memory_access::word(std::uint64_t va, int right) {
  if (va % 4 || va >= user_end) return nullptr;
  const auto host = space_.impl_->page(va, right);
  return host && !host.of_file ? reinterpret_cast<std::uint32_t*>(host.at + va % page_size) : nullptr;
}

std::uint32_t* memory_access::shared_word(std::uint64_t va, int right) {
  if (!space_.has_shared_files() || va % 4 || va >= user_end) return nullptr;
  const auto host = space_.impl_->page(va, right);
  return host && host.of_file ? reinterpret_cast<std::uint32_t*>(host.at + va % page_size) : nullptr;
}

int memory_access::read_string(std::uint64_t va, std::size_t limit, std::string& out) {
  out.clear();
  while (out.size() <= limit) {
    if (va >= user_end) return -EFAULT;
    const auto host = space_.impl_->page(va, PROT_READ);
    if (!host) return -EFAULT;
    const std::size_t n = page_size - va % page_size;
    // Copied first, then judged: another guest thread may write to the page meanwhile.
    const std::size_t before = out.size();
    out.resize(before + n);
    if (!space_.impl_->copy(out.data() + before, host.at + va % page_size, n, host.of_file, false))
      return -EFAULT;
    if (const auto cut = out.find('\0', before); cut != std::string::npos) {
      out.resize(cut);
      return out.size() > limit ? -ENAMETOOLONG : 0;
    }
    va += n;
  }
  return -ENAMETOOLONG;
}

}  // namespace osvm::unikernel
