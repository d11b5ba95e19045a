// A guest without a VM: real memory, descriptors and files, a host side that only remembers, and system calls
// made by number as a program would make them.
#pragma once

#include "unikernel/files/stdio.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/instance_state.hpp"

#include <osvm/unikernel/instance.hpp>
#include <osvm/vsock/fd_queue.hpp>

#include <pthread.h>
#include <sys/mman.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>

namespace osvm::unikernel::testing {

// The set-up itself must work: a test on half a guest would prove nothing.
inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "guest without VM: %s failed\n", what);
  std::abort();
}

// A folder of its own, gone with the object.
class temp_folder {
 public:
  explicit temp_folder(const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string pattern = (parent / "osvm-syscalls-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~temp_folder() { std::filesystem::remove_all(path_); }
  temp_folder(const temp_folder&) = delete;
  temp_folder& operator=(const temp_folder&) = delete;
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }
  void write(std::string_view name, std::string_view text) const { std::ofstream(*this / name) << text; }

 private:
  std::string path_;
};

struct remembering_host : instance_host, process_host {
  std::string socket_folder;  // empty: no port has a path
  std::vector<std::uint16_t> granted;
  std::vector<listener> listeners;
  std::map<std::uint32_t, std::shared_ptr<vsock::fd_queue>> queues;
  std::optional<exit_report> ended;

  std::int64_t start_thread(const thread_start&) override { return -EAGAIN; }
  void end(exit_report report) override { ended = std::move(report); }
  void exit(exit_report report) override { ended = std::move(report); }
  void listening(const listener& which) override { listeners.push_back(which); }
  std::int64_t listen_vsock(std::uint32_t port, std::shared_ptr<vsock::fd_queue> queue) override {
    queues[port] = std::move(queue);
    return 0;
  }
  void unlisten_vsock(std::uint32_t port) override { queues.erase(port); }
  std::string tcp_socket_path(std::uint16_t port) const override {
    return socket_folder.empty() ? "" : socket_folder + "/tcp-" + std::to_string(port);
  }
  std::string vsock_path() const override { return socket_folder.empty() ? "" : socket_folder + "/vsock"; }
  bool has_thread(int tid) const override { return tid == 1; }
  std::chrono::nanoseconds cpu_time() const override { return {}; }
  unsigned thread_count() const override { return 1; }
  void kick(int) override {}
  std::optional<std::chrono::nanoseconds> thread_cpu_time(int) const override { return std::nullopt; }
};

// One guest thread in one instance. `base` is 1 MiB of read-write memory; put() and text() hand it out in
// turn.
class guest {
 public:
  static constexpr std::uint64_t base = 0x10'0000, size = 1 << 20;
  static constexpr std::uint64_t unmapped = 0x5000'0000;

  explicit guest(policy granted = {}, budgets limits = {})
      : state(granted, limits, host),
        own(std::make_shared<process_state>(guest_pid, limits, host)),
        process(*own),
        memory({}, state.memory) {
    sigset_t all;  // as vCPU threads do
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    require(memory.start().has_value(), "memory");
    const map_request first{
        .address = base, .size = size, .protection = PROT_READ | PROT_WRITE, .fixed = true};
    require(memory.map(first) == static_cast<std::int64_t>(base), "first mapping");
    auto tree = file_tree::create(granted);
    require(tree.has_value(), "mounts");
    state.files = std::move(tree).value();
    require(state.processes.add(own, outside_pid, 0), "process");
    require(set_up_stdio(state, process, {}, {}, {}).has_value(), "stdio");
    thread.regs = &registers;
  }

  std::int64_t call(std::uint64_t number, std::initializer_list<std::uint64_t> arguments) {
    return call_on(thread, number, arguments);
  }
  std::int64_t call_on(guest_thread& who, std::uint64_t number,
                       std::initializer_list<std::uint64_t> arguments) {
    call_context ctx{state, process, memory, who, {}};
    std::copy(arguments.begin(), arguments.end(), ctx.args);
    return dispatch(ctx, number);
  }

  // Guest memory for `bytes`, 16-byte aligned.
  std::uint64_t room(std::size_t bytes) {
    const std::uint64_t at = next_;
    next_ += (bytes + 15) & ~std::size_t{15};
    require(next_ <= base + size, "room()");
    return at;
  }
  std::uint64_t text(std::string_view s) {
    const std::uint64_t at = room(s.size() + 1);
    require(memory_access(memory).write(at, std::string(s).c_str(), s.size() + 1), "text()");
    return at;
  }
  template <class T>
  std::uint64_t put(const T& value) {
    const std::uint64_t at = room(sizeof value);
    require(memory_access(memory).write(at, value), "put()");
    return at;
  }
  template <class T>
  T get(std::uint64_t at) {
    T value{};
    require(memory_access(memory).read(at, value), "get()");
    return value;
  }
  std::string bytes(std::uint64_t at, std::size_t count) {
    std::string s(count, '\0');
    require(memory_access(memory).read(at, s.data(), count), "bytes()");
    return s;
  }
  std::uint64_t denied() const {
    std::uint64_t all = 0;
    for (const auto& d : state.denials()) all += d.count;
    return all;
  }

  std::int64_t open(std::string_view path, int flags, unsigned mode = 0644) {
    return call(2, {text(path), static_cast<std::uint64_t>(flags), mode});
  }
  // The whole of a file as the guest reads it, or "errno N".
  std::string slurp(std::string_view path) {
    const std::int64_t fd = open(path, 0);
    if (fd < 0) return "errno " + std::to_string(-fd);
    const std::uint64_t buffer = room(65536);
    const std::int64_t n = call(0, {static_cast<std::uint64_t>(fd), buffer, 65536});
    call(3, {static_cast<std::uint64_t>(fd)});
    return n < 0 ? "errno " + std::to_string(-n) : bytes(buffer, static_cast<std::size_t>(n));
  }

  remembering_host host;
  instance_state state;
  std::shared_ptr<process_state> own;
  process_state& process;
  address_space memory;
  guest_thread thread{1};
  kvm::registers registers;

 private:
  std::uint64_t next_ = base;
};

}  // namespace osvm::unikernel::testing
