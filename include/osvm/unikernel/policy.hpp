// What a guest may do. Plain data, judged by the library; everything not granted here is denied.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/unikernel/file_source.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::unikernel {

// A host file or folder that the guest sees at `guest_path` (absolute, no "..").
struct mount {
  std::string host_path;
  std::string guest_path;
  bool writable = false;
  // Writable folders: bytes that may lie below the host folder, what is there at the start included; 0: no
  // limit of its own. A name (file, folder, link) counts as 4 KiB. More is ENOSPC for the guest.
  std::uint64_t quota_bytes = 0;
};

// Files that lie in no folder of the host: those of `source`, and in front of them a layer in memory that
// takes what the guest creates, changes and removes, and goes with it. A mount that lies below comes first.
struct memory_tree {
  std::shared_ptr<const file_source> source;  // null: the tree is empty at first
  std::string guest_path = "/";               // absolute, no ".."
  std::vector<std::string>
      writable;  // guest paths in it below which the guest may change files; made if missing
  std::uint64_t overlay_bytes = std::uint64_t{64} << 20;  // of the layer, 4 KiB for each name; more is ENOSPC
};

// A folder in memory that is the guest's alone: empty at the start, gone with it. For /tmp and /dev/shm.
struct tmpfs {
  std::string guest_path;                         // absolute, no ".."
  std::uint64_t bytes = std::uint64_t{64} << 20;  // of files, 4 KiB for each name; more is ENOSPC
};

enum class transport : std::uint8_t { tcp, vsock };

// A port on which the guest may listen. TCP listeners become unix sockets of the host (see
// instance::async_listening); vsock listeners are reached through the instance's hybrid socket.
struct listener {
  transport kind = transport::tcp;
  std::uint32_t port = 0;
  bool operator==(const listener&) const = default;
};

// A connection that the guest may make. Names are resolved once, on the host, when the instance is created;
// the guest's own resolver then answers them (/etc/hosts and DNS) and no other name. The guest connects to
// the address that it was told; a name that is a loopback address of the host gets one of 198.18.0.0/24
// instead, since the guest's 127.0.0.1 is its own.
struct connect_grant {
  std::string host;        // a host name, an address, or "unix:/path" of a unix stream socket
  std::uint16_t port = 0;  // TCP port, the same on both sides; 0: `guest_name` is the path of a unix socket
  std::string guest_name;  // what the guest calls it; empty: as `host` (of "unix:/path": the path)
};

// A unix socket that the guest may bind at `guest_path`; on the host it is `host_path`, whose folder must
// exist. The file goes with the guest's socket.
struct unix_listener {
  std::string host_path;
  std::string guest_path;
};

// "HOST:PORT[=NAME]", "[ADDRESS]:PORT[=NAME]", "unix:/path[=/guest/path]" or "unix:/path=NAME:PORT".
// errc::invalid_argument, with an example.
result<connect_grant> parse_connect_grant(std::string_view text);
std::string to_string(const connect_grant& grant);  // in that form
// "/host/path=guest:/guest/path".
result<unix_listener> parse_unix_listener(std::string_view text);

// "/guest/path" or "/guest/path:SIZE".
result<tmpfs> parse_tmpfs(std::string_view text);
std::string to_string(const tmpfs& folder);

// Named extra rights ("--allow").
struct capabilities {
  bool jit = false;  // memory may become executable after load
};

struct policy {
  std::vector<mount> mounts;
  std::vector<memory_tree> trees;  // not part of policy files
  std::vector<tmpfs> scratch;
  std::vector<listener> listen;
  std::vector<std::uint32_t> vsock_connect;  // host ports: connect(cid 2, P) reaches "<vsock path>_P"
  std::vector<connect_grant> connect;        // endpoints of the host's network, and unix sockets of the host
  std::vector<unix_listener> listen_unix;
  std::vector<std::string> environment;  // "KEY=value"; nothing is inherited
  capabilities allow;
};

// Upper bounds for one instance. Zero durations mean no limit; every other zero is refused.
struct budgets {
  std::uint64_t memory_bytes = std::uint64_t{256} << 20;  // guest pages handed out, pipes and memfds included
  unsigned threads = 64;                                  // guest threads alive at once, of all processes
  unsigned processes = 64;  // processes at once, the first included, and those that nobody waited for yet
  unsigned descriptors = 256;
  std::uint64_t written_bytes = std::uint64_t{64} << 20;  // total bytes written below writable mounts
  std::chrono::nanoseconds cpu_time{0};                   // of all guest threads, system calls included
  std::chrono::nanoseconds wall_time{0};                  // from start
};

}  // namespace osvm::unikernel
