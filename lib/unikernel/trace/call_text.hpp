// A system call as a line of text, strace's way: openat(AT_FDCWD, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 3.
// Guest memory is foreign: every read is bounded and checked, strings are escaped, and a bad pointer shows as
// a number.
#pragma once

#include "unikernel/syscalls/syscall.hpp"
#include "unikernel/trace/calls.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace osvm::unikernel {

// Made before the call is served, finished after it. Not thread-safe; lives for one call.
class call_text final {
 public:
  call_text(call_context& ctx, std::uint64_t number);

  // The whole line. A call that does not return (exit, exit_group, rt_sigreturn) ends in "= ?".
  std::string finish(std::int64_t result);

 private:
  void before(unsigned i);
  void after(unsigned i, std::int64_t result);

  call_context& ctx_;
  const std::uint64_t number_;
  const call_info* info_;
  std::uint64_t given_[6];  // handlers may change ctx.args
  std::array<std::string, 6> arguments_;
};

// "-1 ENOENT (No such file or directory)", "0x7f12…" for calls that return addresses, else a number.
std::string result_text(std::uint64_t number, std::int64_t result);

// At most this much of a guest's buffer is shown.
inline constexpr std::size_t trace_string_bytes = 64;

}  // namespace osvm::unikernel
