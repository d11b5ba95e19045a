// Turning a found location into an open guest descriptor.
#pragma once

#include "unikernel/files/descriptor.hpp"
#include "unikernel/syscalls/syscall.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::unikernel {

struct open_request {
  std::string_view base;  // canonical directory for relative paths
  std::string_view path;
  int flags = 0;      // as in open(2)
  unsigned mode = 0;  // of a file that is created; the guest's umask is not applied yet
  const char* call = "openat";
};

// The new descriptor's number, or -errno.
std::int64_t open_path(call_context& ctx, const open_request& request);

// Position in a directory that is not the host's; kept in description::extra.
struct directory_listing {
  std::vector<std::string> names;  // with "." and ".."
  std::size_t position = 0;
};
// Of a synthetic directory or one in memory, as it is now.
std::shared_ptr<directory_listing> list_folder(call_context& ctx, const description& what);

}  // namespace osvm::unikernel
