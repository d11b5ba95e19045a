#include "unikernel/memory/fallible_copy.hpp"

#include <sys/uio.h>
#include <unistd.h>

namespace osvm::unikernel {

// A process may always read and write itself this way: no privilege is asked for.
bool copy_from_mapped(void* to, const void* mapped, std::size_t size) noexcept {
  const iovec local{to, size}, remote{const_cast<void*>(mapped), size};
  return ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

bool copy_to_mapped(void* mapped, const void* from, std::size_t size) noexcept {
  const iovec local{const_cast<void*>(from), size}, remote{mapped, size};
  return ::process_vm_writev(::getpid(), &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

}  // namespace osvm::unikernel
