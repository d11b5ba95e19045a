// Advisory locks with their real effect on the host, for files below writable mounts. (Below read-only mounts
// they are granted without one: a guest that may only read must not be able to stop the host's writers.)
//
// A POSIX lock belongs to a process, and an instance is one. The embedder's process may hold several
// instances, so the host's own POSIX locks would confuse them: each instance takes open-file-description
// locks on a descriptor of its own per file.
#pragma once

#include "unikernel/syscalls/syscall.hpp"

#include <osvm/core/unique_fd.hpp>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace osvm::unikernel {

// Thread-safe.
class lock_table final {
 public:
  using file_id = std::pair<std::uint64_t, std::uint64_t>;  // device and inode
  // The descriptor that carries this instance's locks on the file that `host` is open on; null with errno
  // set.
  std::shared_ptr<unique_fd> carrier(const unique_fd& host, bool writable);
  // A descriptor of the file was closed: the process's POSIX locks on it end, as POSIX has it.
  void closed(const unique_fd& host) noexcept;

 private:
  std::mutex lock_;
  std::map<file_id, std::shared_ptr<unique_fd>> carriers_;
  std::atomic<bool> used_{false};
};

// The lock commands of fcntl(2), of processes and of descriptors; `arg` is the guest's struct flock.
bool is_lock_command(int command) noexcept;
std::int64_t lock_by_fcntl(call_context& ctx, descriptor& d, int command, std::uint64_t arg);

}  // namespace osvm::unikernel
