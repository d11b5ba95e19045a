// Copies of memory whose pages may be gone: those of a file that somebody made shorter. A plain access would
// raise SIGBUS in the embedder, where this library installs no signal handler; the host kernel's own copy
// between two address ranges of this process reports the same as an error.
#pragma once

#include <cstddef>

namespace osvm::unikernel {

// False: a page has no content (or, written to, must not be written); part of the copy may be done. The two
// differ in which side may fail.
bool copy_from_mapped(void* to, const void* mapped, std::size_t size) noexcept;
bool copy_to_mapped(void* mapped, const void* from, std::size_t size) noexcept;

}  // namespace osvm::unikernel
