// What a template keeps of a guest's open files: values, from which each clone makes host descriptors of its
// own. No two clones share an open file, its offset, a pipe, or a socket.
#pragma once

#include "unikernel/signals/signal.hpp"
#include "unikernel/sockets/address.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace osvm::unikernel {

// A standard descriptor as the embedder gave it: a clone has those that it is given itself.
struct saved_standard {
  int which = 0;  // 0, 1 or 2
};

struct saved_null {};

// Files, folders and devices, by name. They are opened anew, so that a clone needs what its template had.
struct saved_file {
  std::string path;  // the guest's
  int flags = 0;     // as in open(2)
  off_t offset = 0;
  std::size_t position = 0;             // in a folder that is not the host's
  std::uint64_t device = 0, inode = 0;  // 0: not compared
};

struct saved_pipe {
  std::uint64_t pipe = 0;  // both ends have the same number
  bool writes = false;
  int capacity = 0;
  std::string content;  // of the reading end
};

struct saved_event {
  std::uint64_t count = 0;
  bool semaphore = false;
};

struct saved_timer {
  int clock = 0;
  itimerspec left{};  // relative, whatever the guest asked for
};

struct saved_signal_fd {
  signal_mask mask = 0;
};

struct saved_epoll {
  struct watch {
    int number = 0;  // a descriptor of the guest
    epoll_event event{};
  };
  std::vector<watch> watches;
};

struct saved_socket {
  enum class form : std::uint8_t {
    fresh,
    bound,
    listening,
    pair,   // of socketpair(): its other end is the guest's, too
    reset,  // its peer is not in the clone: the connection is reset
  };
  form as = form::fresh;
  int family = 0, type = 0, protocol = 0;
  guest_address local, peer;
  std::map<std::pair<int, int>, std::vector<std::byte>> options;
  bool v6_only = false;
  bool published = false;  // its name is a path of the host's as well
  std::uint64_t pair = 0;  // both ends have the same number
  std::string content;     // what waits to be read from a pair's end
};

struct saved_number {
  int number = 0;
  bool close_on_exec = false;
};

// One open file description and the numbers that name it.
struct saved_description {
  std::vector<saved_number> numbers;
  bool nonblocking = false, readable = true, writable = true, append = false;
  std::int64_t receive_timeout_ns = 0, send_timeout_ns = 0;
  std::variant<saved_null, saved_standard, saved_file, saved_pipe, saved_event, saved_timer, saved_signal_fd,
               saved_epoll, saved_socket>
      what;
};

using saved_descriptors = std::vector<saved_description>;

}  // namespace osvm::unikernel
