// Saving a process's open files, and opening them anew in a clone. One file for each kind.
#pragma once

#include "unikernel/memory/saved_memory.hpp"
#include "unikernel/snapshot/saved_descriptors.hpp"
#include "unikernel/syscalls/syscall.hpp"

#include <osvm/core/error.hpp>

#include <array>
#include <map>
#include <memory>
#include <string>

namespace osvm::unikernel {

struct descriptor;

// Of a process that stands still. Error: errc::cannot_snapshot names what cannot be saved.
result<saved_descriptors> save_descriptors(process_state& process);
// Into the process of `ctx`, whose table holds the standard descriptors of the clone and nothing else.
result<void> restore_descriptors(call_context& ctx, const saved_descriptors& saved);

// Pipes and socket pairs, whose two ends are made together. One that the template's guest had closed closes
// with this.
struct made_pair {
  std::array<std::shared_ptr<descriptor>, 2> ends;  // of a pipe: for reading, for writing
  unsigned taken = 0;                               // of a socket pair
};
struct saved_ends {
  std::map<std::uint64_t, made_pair> pipes, sockets;
};

// By kind. A restored descriptor has its description; what all kinds have is set by the caller.
result<saved_file> save_file(const descriptor& d);
result<std::shared_ptr<descriptor>> restore_file(call_context& ctx, const saved_file& saved);
// The file behind a mapping.
result<std::shared_ptr<const file_backing>> restore_backing(call_context& ctx, const saved_backing& saved);
result<saved_pipe> save_pipe(const descriptor& d);
result<std::shared_ptr<descriptor>> restore_pipe(call_context& ctx, const saved_pipe& saved,
                                                 saved_ends& ends);
result<saved_event> save_event(const descriptor& d);
result<std::shared_ptr<descriptor>> restore_event(const saved_event& saved);
result<saved_timer> save_timer(const descriptor& d);
result<std::shared_ptr<descriptor>> restore_timer(const saved_timer& saved);
saved_signal_fd save_signal_fd(const descriptor& d);
result<std::shared_ptr<descriptor>> restore_signal_fd(call_context& ctx, const saved_signal_fd& saved);
result<saved_socket> save_socket(const descriptor& d);
result<std::shared_ptr<descriptor>> restore_socket(call_context& ctx, const saved_socket& saved,
                                                   saved_ends& ends);
// After all others are there.
result<saved_epoll> save_epoll(process_state& process, const descriptor& d);
result<std::shared_ptr<descriptor>> restore_epoll();
result<void> restore_watches(call_context& ctx, const std::shared_ptr<descriptor>& set,
                             const saved_epoll& saved);

error cannot_snapshot(std::string what);
// What the host says of one of our descriptors (/proc/self/fdinfo), by name; a name that comes several times
// has each of its lines.
result<std::multimap<std::string, std::string>> descriptor_facts(int host);

}  // namespace osvm::unikernel
