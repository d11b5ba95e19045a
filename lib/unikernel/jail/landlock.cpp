// Landlock (https://docs.kernel.org/userspace-api/landlock.html): what may be opened, by hierarchy, whatever
// descriptors the process holds.
#include "unikernel/jail/jail.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace osvm::unikernel {
namespace {

// Newer than Debian 12's headers; from the kernel's uapi.
constexpr std::uint64_t access_truncate = 1ULL << 14;     // ABI 3
constexpr std::uint64_t access_ioctl_dev = 1ULL << 15;    // ABI 5
constexpr std::uint64_t net_bind_tcp = 1ULL << 0;         // ABI 4
constexpr std::uint64_t net_connect_tcp = 1ULL << 1;      // ABI 4
constexpr std::uint64_t scope_abstract_unix = 1ULL << 0;  // ABI 6
constexpr std::uint64_t scope_signal = 1ULL << 1;         // ABI 6
constexpr int rule_net_port = 2;                          // ABI 4
struct net_port_attributes {
  std::uint64_t allowed_access = 0, port = 0;
};
struct ruleset_attributes {
  std::uint64_t handled_access_fs = 0, handled_access_net = 0, scoped = 0;
};

constexpr std::uint64_t of_files = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t of_folders = of_files | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t change_files = LANDLOCK_ACCESS_FS_WRITE_FILE | access_truncate;
constexpr std::uint64_t change_folders =
    change_files | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM |
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_REFER;
constexpr std::uint64_t of_sockets = LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                     LANDLOCK_ACCESS_FS_REMOVE_DIR;

// All file rights that this kernel can take away.
std::uint64_t handled(int abi) {
  std::uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;  // ABI 1
  if (abi >= 2) all |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3) all |= access_truncate;
  if (abi >= 5) all |= access_ioctl_dev;
  return all;
}

class ruleset {
 public:
  static result<ruleset> create(int abi) {
    ruleset r;
    r.handled_ = handled(abi);
    ruleset_attributes a{.handled_access_fs = r.handled_};
    if (abi >= 4) a.handled_access_net = net_bind_tcp | net_connect_tcp;
    if (abi >= 6) a.scoped = scope_abstract_unix | scope_signal;
    // An older kernel takes the part of the structure that it knows.
    const std::size_t size = abi >= 6 ? sizeof a : abi >= 4 ? 16 : 8;
    r.fd_.reset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &a, size, 0)));
    if (!r.fd_) return errno_error("Landlock ruleset");
    return r;
  }
  result<void> allow(int place, std::uint64_t rights) {
    const landlock_path_beneath_attr rule{.allowed_access = rights & handled_, .parent_fd = place};
    if (::syscall(SYS_landlock_add_rule, fd_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0) return {};
    if (errno == EBADFD)
      return {};  // a memory file lies in no hierarchy: no rule is needed, none can be made
    return errno_error("Landlock rule");
  }
  result<void> allow(const std::string& path, std::uint64_t rights) {
    const unique_fd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!place) return errno_error("Landlock rule for " + path);
    return allow(place.get(), rights);
  }
  result<void> allow_connections(std::uint16_t port) {
    const net_port_attributes rule{.allowed_access = net_connect_tcp, .port = port};
    if (::syscall(SYS_landlock_add_rule, fd_.get(), rule_net_port, &rule, 0) != 0)
      return errno_error("Landlock rule for a port");
    return {};
  }
  result<void> enforce() {
    if (::syscall(SYS_landlock_restrict_self, fd_.get(), 0) != 0) return errno_error("Landlock");
    return {};
  }

 private:
  unique_fd fd_;
  std::uint64_t handled_ = 0;
};

}  // namespace

result<std::string> restrict_files(const host_access& needs) {
  const auto abi =
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
  if (abi < 1) return error(errc::isolation_unsupported, "a jail needs Landlock (Linux 5.13, lsm=landlock)");
  OSVM_TRY(auto rules, ruleset::create(abi));
  for (const file_root& root : needs.files) {
    std::uint64_t rights = root.directory ? of_folders : of_files;
    if (root.writable) rights |= root.directory ? change_folders : change_files;
    OSVM_CHECK(rules.allow(root.fd, rights));
  }
  if (!needs.socket_dir.empty()) OSVM_CHECK(rules.allow(needs.socket_dir, of_sockets));
  for (const std::string& path : needs.unix_listeners)
    OSVM_CHECK(rules.allow(std::string(parent_path(path)), of_sockets));
  for (const char* device : jail_devices)
    OSVM_CHECK(rules.allow(device, of_files | LANDLOCK_ACCESS_FS_WRITE_FILE));
  OSVM_CHECK(rules.allow("/tmp", of_sockets));  // the jail's own
  for (const std::uint16_t port : needs.ports)
    if (abi >= 4) OSVM_CHECK(rules.allow_connections(port));
  OSVM_CHECK(rules.enforce());
  return fmt::format("Landlock {}", abi);
}

}  // namespace osvm::unikernel
