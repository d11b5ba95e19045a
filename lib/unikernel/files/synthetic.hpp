// Files that the VMM makes up. Adding one is one line in synthetic.cpp.
#pragma once

#include "unikernel/syscalls/syscall.hpp"

#include <osvm/core/unique_fd.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::unikernel {

enum class synthetic_kind : std::uint8_t {
  text,        // `content` at the time of open
  link,        // `content` is the target
  device,      // the host's own device of the same name, read-only; writes vanish
  descriptor,  // /proc/self/fd/N: leads where descriptor N leads
  vsock,       // /dev/vsock: answers one ioctl
  calls,       // /dev/osvm
};

struct synthetic_file {
  const char* path;
  synthetic_kind kind = synthetic_kind::text;
  std::string (*content)(call_context&) = nullptr;
  bool yields = false;  // a mount that covers the path comes first
};

std::span<const synthetic_file> synthetic_files() noexcept;
const synthetic_file* find_synthetic(std::string_view path) noexcept;
// A file of /proc/N, N another process of the instance, and what there are.
const synthetic_file* find_of_process(std::string_view name) noexcept;
std::vector<std::string> names_of_process();

// A descriptor on a text file's present content (a sealed memory file); empty with errno set on failure.
unique_fd open_synthetic_text(call_context& ctx, const synthetic_file& file);

}  // namespace osvm::unikernel
