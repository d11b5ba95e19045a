// A guest's events as lines, for people and for programs.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/unikernel/event.hpp>

#include <span>
#include <string>

namespace osvm::cli {

// "1000 openat(AT_FDCWD, \"/etc/hosts\", O_RDONLY) = 3 <0.000041>\n"
std::string event_text(const unikernel::event& e);
// One JSON object and a newline.
std::string event_json_line(const unikernel::event& e);

// Where `osvm run --trace` writes. Errors of writing end it quietly, as with strace.
class trace_writer final {
 public:
  // `path` "-" is stderr. The file is made anew, readable by its owner alone: a trace shows what a guest
  // handles.
  static result<trace_writer> open(const std::string& path, bool json);
  void write(std::span<const unikernel::event> events);
  // The last line: how many records did not fit the ring.
  void finish(std::uint64_t dropped);

 private:
  unique_fd file_;  // empty: stderr
  bool json_ = false;
};

}  // namespace osvm::cli
