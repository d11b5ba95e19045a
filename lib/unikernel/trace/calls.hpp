// Every system call of x86-64 Linux by number: its name and how each argument reads. Data for traces and for
// docs/syscalls.md; whether a call is served is the system-call table's business.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace osvm::unikernel {

// clang-format off: one topic a paragraph
// How an argument is shown. "_in" is read before the call, "_out" after it when it succeeded.
enum class argument_kind : std::uint8_t {
  end,      // behind the last argument
  nothing,  // the call takes none
  // plain numbers
  number,
  count,
  size,
  offset,
  milliseconds,
  hex,
  address,
  mode,
  fd,
  directory,
  signal_number,
  // words and flags: see words.cpp
  open_flags,
  access_mode,
  at_flags,
  protection,
  map_flags,
  mremap_flags,
  msync_flags,
  advice,
  whence,
  clone_flags,
  futex_op,
  mask_how,
  clock,
  timerfd_flags,
  eventfd_flags,
  epoll_flags,
  epoll_op,
  address_family,
  socket_type,
  socket_flags,
  message_flags,
  shutdown_how,
  option_level,
  socket_option,
  fcntl_command,
  ioctl_request,
  prctl_option,
  arch_prctl_option,
  random_flags,
  resource,
  wait_flags,
  itimer,
  // what pointers lead to; sizes are the argument behind (data_in, sockaddr_in) or the result (data_out)
  path,
  path_out,
  data_in,
  data_out,
  iovec_in,
  iovec_out,
  fd_pair_out,
  stat_out,
  dirents_out,
  pollfds,
  epoll_event_in,
  epoll_events_out,
  sigaction_in,
  sigaction_out,
  sigset_in,
  sigset_out,
  sockaddr_in,
  sockaddr_out,
  msghdr,
  timespec_in,
  timespec_out,
  timeval_in,
  timeval_out,
  itimerspec_in,
  itimerspec_out,
  rlimit_in,
  rlimit_out,
};
// clang-format on

struct call_info {
  std::uint16_t number;
  const char* name;
  std::array<argument_kind, 6> arguments{};  // all `end`: arguments are not described
};

// In ascending order of numbers.
std::span<const call_info> all_calls() noexcept;
// Null: Linux has no such call (or none that was known when this was written).
const call_info* find_call(std::uint64_t number) noexcept;

}  // namespace osvm::unikernel
