// What an instance tells while its guest runs: denials, traced system calls, lines of the guest's output.
// Guest threads write them into a bounded ring and never wait for a reader; what does not fit is counted, not
// kept (instance_stats::events_dropped).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace osvm::unikernel {

enum class event_kind : std::uint8_t {
  denial,  // policy forbade something: `text` is the attempt, `rule` what would grant it
  trace,   // a system call has ended: `text` is the call as strace shows it, `result` what it returned
  log,     // a line of the guest's output (stdio::log()): `text`, without its newline
};

const char* to_string(event_kind kind) noexcept;

// Text is printable ASCII: guest bytes are escaped and bounded.
struct event {
  event_kind kind = event_kind::denial;
  std::chrono::nanoseconds at{0};  // since the guest's start
  int thread = 0;                  // guest thread id; 0 where none is known
  std::string text;
  std::string rule;                      // denials only
  std::uint32_t call = 0;                // trace: the system call's number
  std::int64_t result = 0;               // trace: a value, or -errno
  std::chrono::nanoseconds duration{0};  // trace: from entry to return, waiting included
  int stream = 0;                        // log: descriptor 1 or 2
};

// Gets events in order, several at once, never from two threads at a time: on the instance's executor, or
// inside instance::wait() and instance::take_events(). It must not throw. It may destroy the instance.
using event_handler = std::function<void(std::span<const event>)>;

struct event_options {
  bool denials = false;
  bool trace = false;           // every system call
  std::size_t capacity = 1024;  // records that may lie in the ring, rounded up to a power of two; 1..65536
  event_handler handler;        // none: events wait for instance::take_events()
};

}  // namespace osvm::unikernel
