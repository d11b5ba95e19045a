// Where on this host control groups can be made: probed, never assumed. A controller belongs to one hierarchy
// of v1, or to the one of v2; a host may have some of both.
#pragma once

#include <osvm/core/error.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace osvm::unikernel {

enum class controller { memory, cpu, pids };
const char* to_string(controller c) noexcept;

struct cgroup_place {
  std::string folder;    // of the parent group, in the host's file system
  bool unified = false;  // v2
};

// The hierarchy of `c` by /proc/self/mountinfo and /proc/self/cgroup. `parent`: the group as the latter
// writes it; empty: the one that it names. For v2: whether it offers `c` is to be seen there. None: no
// hierarchy that is mounted shows the group.
std::optional<cgroup_place> find_place(std::string_view mounts, std::string_view own_groups, controller c,
                                       std::string_view parent);

// The same of this process, looked at: of v2 a place where children can have `c`. errc::unsupported,
// errc::invalid_argument for a bad parent.
result<cgroup_place> place_for(controller c, const std::string& parent);

// A file of a group, which is short; empty when it cannot be read.
std::string read_whole_file(const std::string& path);  // of /proc, at most 1 MiB
std::string read_group_file(const std::string& path);
result<void> write_group_file(const std::string& path, std::string_view text);

}  // namespace osvm::unikernel
