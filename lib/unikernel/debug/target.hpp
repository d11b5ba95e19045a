// What a debugger's session works on: a guest's process. All of it stands still between attach() or a stop,
// and resume().
#pragma once

#include "unikernel/snapshot/saved_instance.hpp"

#include <osvm/core/error.hpp>
#include <osvm/unikernel/report.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace osvm::unikernel {

struct debug_stop {
  int tid = 0;
  int signal = 0;              // Linux's number; 0: the process stands because it was asked to
  bool at_breakpoint = false;  // one that the session set; the thread stands at its address
};

// How a thread goes on.
struct debug_resume {
  int tid = 0;  // 0: all that no other entry names
  bool step = false;
  int signal = 0;  // it gets this one; 0: none
};

// Used by one thread.
class debug_target {
 public:
  virtual ~debug_target() = default;

  virtual int pid() const = 0;
  virtual std::vector<int> threads() = 0;
  virtual std::shared_ptr<const saved_thread> thread(int tid) = 0;  // null: there is none
  virtual std::string thread_name(int tid) = 0;
  // The thread goes on with these. False: there is none, or no thread may have such registers.
  virtual bool change_thread(const saved_thread& now) = 0;
  virtual std::size_t read(std::uint64_t va, std::span<std::byte> out) = 0;  // bytes up to a hole
  virtual bool write(std::uint64_t va, std::span<const std::byte> in) = 0;
  virtual bool add_breakpoint(std::uint64_t va) = 0;
  virtual bool remove_breakpoint(std::uint64_t va) = 0;
  virtual std::vector<std::uint64_t> auxiliary() = 0;
  virtual std::string executable() = 0;  // the guest's path; empty: no file of the guest
  // A file as the guest sees it, for reading. Negative: -errno.
  virtual int open_file(const std::string& path) = 0;
  virtual const xstate_layout& layout() const = 0;

  // Lets threads go on; those that no entry names stay.
  virtual void resume(std::span<const debug_resume> how) = 0;
  // Readable when a stop may be there to be taken.
  virtual int event() const = 0;
  // A thread has stopped by itself: all stand still then.
  virtual std::optional<debug_stop> take_stop() = 0;
  // Makes all stand still. An error: it has ended, or did not come to a stand in time.
  virtual result<void> interrupt() = 0;
  virtual std::optional<exit_report> ended() = 0;
  virtual void kill() = 0;
};

}  // namespace osvm::unikernel
