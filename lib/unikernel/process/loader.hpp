// The loader (PT_INTERP) of a dynamic program: a file of the guest, found through its mounts and mapped as
// execve(2) does. What it does then is its own business: it opens and maps the libraries by system calls.
#pragma once

#include "unikernel/elf/layout.hpp"
#include "unikernel/memory/address_space.hpp"
#include "unikernel/syscalls/syscall.hpp"

#include <memory>
#include <string>

namespace osvm::unikernel {

struct location;

// Reads what was found in the tree.
result<std::shared_ptr<unique_fd>> open_found(const location& at, const std::string& path);
// Whether the guest could change the file: running it needs the right to make code.
bool guest_may_change(const location& at);

struct loader_file {
  std::shared_ptr<const file_backing> file;
  elf::layout layout;
};

// Errors: errc::bad_loader, with what would grant it.
result<loader_file> open_loader(call_context& ctx, const std::string& path);

struct mapped_loader {
  std::uint64_t base = 0;  // AT_BASE
  std::uint64_t entry = 0;
};
result<mapped_loader> map_loader(address_space& memory, const loader_file& loader);

}  // namespace osvm::unikernel
