// Guest descriptors. A guest descriptor is a real host descriptor of its own, so that epoll, poll and socket
// calls pass straight through; what Linux keeps per open file description (and what we must keep apart from
// the host's, such as O_NONBLOCK) is shared by its duplicates.
//
// Every host descriptor here is O_NONBLOCK and O_CLOEXEC on the host (exceptions are marked `may_block`);
// whether the guest sees a blocking one is `description::nonblocking`.
#pragma once

#include <osvm/core/unique_fd.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace osvm::unikernel {

class overlay;
class quota_account;
struct overlay_node;

enum class file_kind : std::uint8_t {
  regular,  // file below a mount or a synthetic file
  directory,
  stream,  // inherited stdio: pipe, terminal, file or socket of the embedder
  pipe,
  socket,
  epoll,
  eventfd,
  timerfd,
  memory,   // memfd
  watch,    // inotify
  process,  // pidfd of the guest itself
  signals,  // signalfd: `extra` is its signal_watch
  capture,  // output kept by the instance (no host descriptor)
  log,      // output whose lines become events (no host descriptor); `standard` says which
  null,     // reads end, writes vanish (no host descriptor)
  calls,    // /dev/osvm: the embedder's calls
  device,   // /dev/zero, /dev/urandom, ...: reads go to the host's, writes vanish
};

// Shared by duplicates. Members after construction are atomics or guarded by `lock`.
struct description {
  file_kind kind = file_kind::null;
  std::atomic<bool> nonblocking{false};
  bool readable = true, writable = true;
  std::atomic<bool> append{false};  // each write goes to the end (RWF_APPEND: the host's flag may be shared)
  bool synthetic = false;           // made up by the VMM; ownership and mode are, too
  bool path_only = false;           // O_PATH: names a file, moves no bytes
  bool changeable = false;          // below a writable mount: mode and times may be set
  std::atomic<bool> connected{true};  // false: a socket that has no peer (yet), so that no bytes move
  bool socket_io = false;             // the host descriptor is a socket: bytes move with MSG_DONTWAIT
  bool may_block = false;  // the host descriptor is not O_NONBLOCK: poll first, then move at most 4096 bytes
  std::atomic<std::int64_t> receive_timeout_ns{0}, send_timeout_ns{0};  // SO_RCVTIMEO, SO_SNDTIMEO; 0: none
  int standard = -1;                     // 0, 1, 2: what the embedder gave as that descriptor
  std::shared_ptr<quota_account> quota;  // of the mount below which it lies; null: none
  bool counted = false;                  // writes count against budgets::written_bytes
  std::string guest_path;                // for files
  std::shared_ptr<overlay> memory;       // of files that the instance keeps in memory, with their `node`
  std::shared_ptr<overlay_node> node;
  std::shared_ptr<const void> opened;       // as long as it lives, `node` counts as open
  std::shared_ptr<const unique_fd> object;  // of a FIFO in a folder of the host: its file
  bool sealed = false;                      // content that nothing can change, shared by instances
  std::mutex lock;                          // guards `extra`
  std::shared_ptr<void> extra;  // family-specific state (socket names, synthetic directory position, ...)
};

// How many descriptors all processes of an instance hold together: each is one of the host's. Thread-safe.
class descriptor_account final : public std::enable_shared_from_this<descriptor_account> {
 public:
  explicit descriptor_account(unsigned limit) noexcept : limit_(limit) {}
  // Held as long as the descriptor is open anywhere. Null: the limit is reached.
  std::shared_ptr<const void> take();

 private:
  const unsigned limit_;
  std::atomic<unsigned> open_{0};
};

// One guest descriptor. Operations in flight hold it by shared_ptr, so close() in another thread cannot make
// the host number mean something else under them.
struct descriptor {
  std::shared_ptr<description> what;
  unique_fd host;
  std::shared_ptr<const void> counted;  // set by the first table that it is put into
};

// Thread-safe table with a fixed budget.
class descriptor_table final {
 public:
  // `all` is shared with the tables of other processes; null: nothing is counted.
  explicit descriptor_table(unsigned limit, std::shared_ptr<descriptor_account> all = nullptr);
  std::shared_ptr<descriptor> get(int fd) const;
  // Lowest free number at or above `minimum`; -EMFILE when the budget is used up, -ENFILE when that of all
  // processes is.
  int add(std::shared_ptr<descriptor> d, bool close_on_exec, int minimum = 0);
  // Puts at exactly `fd`, closing what was there. -EBADF when outside the budget.
  int put(int fd, std::shared_ptr<descriptor> d, bool close_on_exec);
  std::shared_ptr<descriptor> remove(int fd);  // null: EBADF
  int close_on_exec(int fd) const;             // 0, 1 or -EBADF
  int set_close_on_exec(int fd, bool on);
  unsigned count() const;
  unsigned most() const;  // the highest number ever used, plus one
  unsigned limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
  std::vector<int> numbers() const;
  void clear();
  // The same open files as `other` has, under the same numbers: fork().
  void share(const descriptor_table& other);
  // Takes out what is to be closed when another program runs.
  std::vector<std::shared_ptr<descriptor>> close_for_program();
  // Whether the guest itself asked for fewer than the budget, by lower().
  bool lowered() const;
  // No new numbers at or above `limit` from now on, as a soft RLIMIT_NOFILE has it; at most the budget.
  void lower(unsigned limit);
  // More room than the budget said; only for the control of the budget's test.
  void extend();

 private:
  bool count(descriptor& d) const;
  struct slot {
    std::shared_ptr<descriptor> d;
    bool close_on_exec = false;
  };
  mutable std::mutex lock_;
  std::vector<slot> slots_;
  unsigned count_ = 0;
  std::size_t most_ = 0;
  std::size_t soft_;  // numbers given out lie below
  std::atomic<unsigned> limit_;
  const std::shared_ptr<descriptor_account> all_;
};

}  // namespace osvm::unikernel
