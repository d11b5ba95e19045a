// Mapping what a descriptor names: mmap and System V shared memory.
#pragma once

#include "unikernel/memory/address_space.hpp"
#include "unikernel/syscalls/syscall.hpp"

#include <cstdint>
#include <memory>

namespace osvm::unikernel {

// The address, or -errno. What `d` may do is checked, and code needs a file that came with a grant.
// `request.shared`: its own pages instead of a private copy.
std::int64_t map_open_file(call_context& ctx, map_request request, std::shared_ptr<descriptor> d,
                           std::uint64_t offset);

}  // namespace osvm::unikernel
