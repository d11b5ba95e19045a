// Every pointer argument of every system call, taken from the table, with every kind of wrong address. The
// table's shapes drive it, so a call that is added is tried without anybody thinking of it.
#include "support/guest_without_vm.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace osvm::unikernel::testing {
namespace {

constexpr std::uint64_t wrong[] = {
    guest::unmapped,
    0xffff'8000'0000'0000,          // kernel half
    0x0000'8000'0000'0000,          // not canonical
    0x7fff'ffff'fff0,               // above the last user page
    ~std::uint64_t{0} - 3,          // wraps around
    guest::base + guest::size - 2,  // straddles the end of the mapping
    8,
};

bool is_pointer(char letter) {
  return letter == 'p' || letter == 'P' || letter == 's';
}

// A guest with a descriptor of each kind, so that whatever a call wants is among them.
class prepared {
 public:
  prepared() {
    folder.write("file", "content");
    std::filesystem::create_symlink("file", folder / "link");
    g.emplace(granted());
    descriptors = {open("/data/file", O_RDWR), open("/data", O_RDONLY | O_DIRECTORY),
                   g->call(290, {1, 0}),       g->call(283, {1, 0}),
                   g->call(291, {0}),          g->call(41, {AF_INET, SOCK_STREAM, 0})};
    const auto at = g->room(8);
    g->call(53, {AF_UNIX, SOCK_STREAM, 0, at});
    descriptors.push_back(g->get<int>(at));
    g->call(1, {static_cast<std::uint64_t>(g->get<int>(at + 4)), g->text("waiting"), 7});
    const auto event = g->put(epoll_event{.events = EPOLLIN, .data = {}});
    const auto epoll = static_cast<std::uint64_t>(descriptors[4]);
    g->call(233, {epoll, EPOLL_CTL_ADD, static_cast<std::uint64_t>(descriptors[2]), event});
    path = g->text("/data/link");
    buffer = g->room(4096);
    g->thread.wait.interrupt();  // nothing blocks
  }

  policy granted() const {
    policy p;
    p.mounts.push_back({folder.path(), "/data", true});
    return p;
  }
  std::int64_t open(const char* name, int flags) { return g->open(name, flags); }
  // Plausible arguments of a shape.
  std::vector<std::uint64_t> arguments(std::string_view shape, std::int64_t fd, std::uint64_t length) const {
    std::vector<std::uint64_t> all;
    for (const char letter : shape) {
      const std::uint64_t plain = letter == 'l' ? length : letter == 'x' ? 0 : 1;
      all.push_back(letter == 'f'        ? static_cast<std::uint64_t>(fd)
                    : letter == 's'      ? path
                    : is_pointer(letter) ? buffer
                                         : plain);
    }
    all.resize(6);
    return all;
  }
  std::int64_t call(std::uint64_t number, const std::vector<std::uint64_t>& a) {
    return g->call(number, {a[0], a[1], a[2], a[3], a[4], a[5]});
  }

  temp_folder folder;
  std::optional<guest> g;
  std::vector<std::int64_t> descriptors;
  std::uint64_t path = 0, buffer = 0;
};

// What is not reached with plausible arguments, because something else is judged first. Each has its own
// test.
const std::set<std::string_view> judged_elsewhere = {"ioctl",   "fcntl",      "accept",
                                                     "accept4", "getsockopt", "socketpair"};
const std::set<std::string_view> families_with_buffers = {"files",     "paths",          "changes", "sockets",
                                                          "socket_io", "socket_options", "polling", "events"};

TEST(pointers, wrong_addresses_are_errors_and_never_more) {
  for (const syscall_family* family : syscall_families()) {
    for (const syscall_entry& entry : family->entries) {
      const std::string_view shape = entry.shape;
      const auto first = std::find_if(shape.begin(), shape.end(), is_pointer);
      if (first == shape.end()) continue;
      prepared p;
      bool faulted = false;
      for (const std::int64_t fd : p.descriptors) {
        for (std::size_t i = 0; i < shape.size(); ++i) {
          if (!is_pointer(shape[i])) continue;
          for (const std::uint64_t address : wrong) {
            for (const std::uint64_t length : {64, 8}) {  // 8: of a signal mask
              auto a = p.arguments(shape, fd, length);
              a[i] = address;
              const std::int64_t r = p.call(entry.number, a);
              EXPECT_GT(r, -4096) << entry.name;
              faulted |= r == -EFAULT && i == static_cast<std::size_t>(first - shape.begin());
            }
          }
        }
      }
      if (families_with_buffers.contains(family->name) && !judged_elsewhere.contains(entry.name)) {
        EXPECT_TRUE(faulted) << entry.name << " never looked at its first pointer";
      }
    }
  }
}

TEST(pointers, calls_that_judge_something_else_first) {
  guest g;
  const auto bad = guest::unmapped;
  const auto fd = static_cast<std::uint64_t>(g.call(41, {AF_INET, SOCK_STREAM, 0}));
  EXPECT_EQ(g.call(55, {fd, SOL_SOCKET, SO_TYPE, bad, g.put(4)}), -EFAULT);
  EXPECT_EQ(g.call(55, {fd, SOL_SOCKET, SO_TYPE, g.put(0), bad}), -EFAULT);
  EXPECT_EQ(g.call(53, {AF_UNIX, SOCK_STREAM, 0, bad}), -EFAULT);
  EXPECT_EQ(g.call(16, {fd, FIONBIO, bad}), -EFAULT);
  EXPECT_EQ(g.call(16, {fd, FIONREAD, bad}), -EFAULT);
  EXPECT_EQ(g.call(72, {fd, F_GETLK, bad}), -EFAULT);
  EXPECT_EQ(g.process.descriptors.count(), 4u) << "a pair that could not be told is closed";
}

TEST(pointers, accept_checks_where_the_address_goes) {
  temp_folder folder;
  policy p;
  p.listen = {{transport::vsock, 99}};
  guest g(p);
  g.host.socket_folder = folder.path();
  const auto fd = static_cast<std::uint64_t>(g.call(41, {40, SOCK_STREAM, 0}));
  const std::uint64_t address[2] = {40 | std::uint64_t{99} << 32, 0xffff'ffff};
  ASSERT_EQ(g.call(49, {fd, g.put(address), 16}), 0);
  ASSERT_EQ(g.call(50, {fd, 4}), 0);
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  ASSERT_TRUE(g.host.queues.at(99)->push({unique_fd(ends[1]), 1}));
  EXPECT_EQ(g.call(43, {fd, guest::unmapped, g.put(16)}), -EFAULT);
  ::close(ends[0]);
}

TEST(pointers, no_number_is_served_twice) {
  std::set<unsigned> seen;
  for (const syscall_family* family : syscall_families())
    for (const syscall_entry& entry : family->entries)
      EXPECT_TRUE(seen.insert(entry.number).second) << entry.name << " is in two families";
}

}  // namespace
}  // namespace osvm::unikernel::testing
