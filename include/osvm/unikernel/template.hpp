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

struct load_options {
  const kvm::host_facts* facts = nullptr;  // result of probe_host(); null: load() probes
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
  // What its instances may do: theirs without a question, also when the template was read from a file.
  const policy& granted() const noexcept;

  // Writes the template to `path`, mode 0600, by way of a new file beside it: a file that is there is
  // replaced, or stays as it was. Errors: errc::cannot_snapshot names what a file cannot hold (mapped files
  // without a name, the files of an image); an errno.
  result<void> save(const std::string& path) const;
  // Reads one that save() wrote. All of it is checked (BLAKE3) and copied: the file may go or change
  // afterwards. Errors: errc::bad_template says what is wrong with it: damaged, cut off, of another version
  // of this library, made on another kind of CPU, or before the host's last start. Whoever can write the file
  // decides what its instances may do (granted()). A file that the template had mapped or open must be the
  // same when an instance is spawned.
  static result<instance_template> load(const std::string& path, const load_options& options = {});

 private:
  friend class instance;
  explicit instance_template(std::shared_ptr<const saved_instance> saved) noexcept;

  std::shared_ptr<const saved_instance> saved_;
};

}  // namespace osvm::unikernel
