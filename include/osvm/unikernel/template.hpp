// Templates: a warm guest, from which instances are made that go on where it stood.
#pragma once

#include <osvm/unikernel/instance.hpp>

#include <cstdint>
#include <memory>

namespace osvm::unikernel {

struct saved_instance;

// What an instance that is spawned has of its own. Everything else (program, policy, budgets, arguments) is
// its template's.
struct spawn_options {
  stdio input, output, error;  // of the descriptors that the template's guest had from its embedder
  std::string socket_dir;      // as instance_options::socket_dir; empty: the template's
  event_options events;
  std::string name = "clone";
};

struct template_info {
  std::uint64_t memory_bytes = 0;  // of pages with content, shared by all instances until they write to them
  unsigned threads = 0;
  unsigned descriptors = 0;
};

// A handle on an immutable template: cheap to copy, thread-safe. It outlives the instance it was made from.
//
// An instance that is spawned has a copy of the memory, threads in the same places, and open files of its
// own: files are opened anew by their names, at the offsets they had; listeners listen under the clone's own
// names; pipes, socket pairs, event and timer descriptors are made anew with what was in them; other
// connections are reset (ECONNRESET). A thread that was inside a system call makes it anew, with the whole of
// its time limit. Its budgets of time begin anew. What the kernel gives as random (getrandom, /dev/urandom,
// memory with MADV_WIPEONFORK) is fresh in each; a generator that the program had seeded before is copied.
//
// In this version a template holds one process, in the caller's process, without exitless calls, whose files
// in memory are unchanged, and which has no armed timer, no shared memory, memory file, inotify or pidfd.
class instance_template final {
 public:
  // Makes an instance and lets it go on.
  result<instance> spawn(executor ex, spawn_options options) const;
  template_info info() const;

 private:
  friend class instance;
  explicit instance_template(std::shared_ptr<const saved_instance> saved) noexcept;

  std::shared_ptr<const saved_instance> saved_;
};

}  // namespace osvm::unikernel
