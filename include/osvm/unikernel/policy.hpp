// What a guest may do. Plain data, judged by the library; everything not granted here is denied.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace osvm::unikernel {

// A host file or folder that the guest sees at `guest_path` (absolute, no "..").
struct mount {
  std::string host_path;
  std::string guest_path;
  bool writable = false;
  // Writable folders: bytes that may lie below the host folder, what is there at the start included; 0: no limit of
  // its own. A name (file, folder, link) counts as 4 KiB. More is ENOSPC for the guest.
  std::uint64_t quota_bytes = 0;
};

enum class transport : std::uint8_t { tcp, vsock };

// A port on which the guest may listen. TCP listeners become unix sockets of the host (see
// instance::async_listening); vsock listeners are reached through the instance's hybrid socket.
struct listener {
  transport kind = transport::tcp;
  std::uint32_t port = 0;
  bool operator==(const listener&) const = default;
};

// Named extra rights ("--allow").
struct capabilities {
  bool jit = false;  // memory may become executable after load
};

struct policy {
  std::vector<mount> mounts;
  std::vector<listener> listen;
  std::vector<std::uint32_t> vsock_connect;  // host ports: connect(cid 2, P) reaches "<vsock path>_P"
  std::vector<std::string> environment;      // "KEY=value"; nothing is inherited
  capabilities allow;
};

// Upper bounds for one instance. Zero durations mean no limit; every other zero is refused.
struct budgets {
  std::uint64_t memory_bytes = std::uint64_t{256} << 20;   // guest pages handed out, pipes and memfds included
  unsigned threads = 64;                                   // guest threads alive at once
  unsigned descriptors = 256;
  std::uint64_t written_bytes = std::uint64_t{64} << 20;   // total bytes written below writable mounts
  std::chrono::nanoseconds cpu_time{0};                    // of all guest threads, system calls included
  std::chrono::nanoseconds wall_time{0};                   // from start
};

}  // namespace osvm::unikernel
