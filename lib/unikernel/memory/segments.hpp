// System V shared memory of one instance: segments by key and id, and where they are attached. A segment is a
// memory file that no descriptor of the guest names. Keys and ids mean nothing to the host or to other
// guests.
#pragma once

#include <sys/shm.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace osvm::unikernel {

struct descriptor;

// Thread-safe.
class segment_table final {
 public:
  static constexpr std::size_t max_segments = 128, max_attached = 4096;

  struct segment {
    std::shared_ptr<descriptor> memory;
    shmid_ds about{};      // shm_nattch is counted here
    bool removed = false;  // goes with the last attachment
  };
  struct attachment {
    int id = 0;
    std::uint64_t size = 0;
  };

  // The id of the segment with this key (IPC_PRIVATE: none), if there is one.
  std::optional<int> find(key_t key) const;
  // -ENOSPC when there are too many; -EEXIST when another thread was first.
  std::int64_t add(key_t key, segment s);
  std::optional<segment> get(int id) const;
  // Counts an attachment before the pages are mapped, so that the segment stays. False: no such segment, or
  // too many attachments.
  bool hold(int id, int pid);
  void release(int id, int pid);
  // An address of one address space.
  using place = std::pair<const void*, std::uint64_t>;
  // What was attached at this address before and is replaced now: the caller release()s it.
  std::optional<attachment> attached(place at, attachment what);
  // Forgets the attachment at this address; release() is the caller's next step.
  std::optional<attachment> detach(place at);
  // fork(): what is attached in one address space is in its copy, too.
  void copy(const void* from, const void* to, int pid);
  // An address space has gone.
  void forget(const void* space, int pid);
  bool any() const;
  // False: no such segment.
  bool remove(int id);
  bool change(int id, const ipc_perm& wanted);

 private:
  void release_locked(int id, int pid);
  void drop_if_unused(std::map<int, segment>::iterator which);

  mutable std::mutex lock_;
  std::map<int, segment> segments_;
  std::map<place, attachment> attached_;
  std::size_t holds_ = 0;
  int next_id_ = 0;  // ids are not used again soon: a stale one is an error, not another segment
};

}  // namespace osvm::unikernel
