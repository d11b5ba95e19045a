// What a trace shows of a call: decoded from guest memory that may lie.
#include "support/guest_without_vm.hpp"
#include "unikernel/events/channel.hpp"
#include "unikernel/trace/call_text.hpp"
#include "unikernel/trace/words.hpp"

#include <osvm/core/runtime.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace {

using namespace osvm;
using namespace osvm::unikernel;
using osvm::unikernel::testing::guest;

struct traced_guest : guest {
  explicit traced_guest(policy p = {}, std::size_t capacity = 256) : guest(std::move(p)) {
    state.events = std::make_shared<event_channel>(
        loop.get_executor(), event_options{.denials = true, .trace = true, .capacity = capacity});
    state.tracing = true;
  }
  // The line of one call.
  std::string line(std::uint64_t number, std::initializer_list<std::uint64_t> arguments) {
    (void)state.events->take(1000);
    call(number, arguments);
    for (const event& e : state.events->take(1000))
      if (e.kind == event_kind::trace) return e.text;
    return "no trace";
  }
  std::uint64_t fd(int n) const { return static_cast<std::uint64_t>(static_cast<std::int64_t>(n)); }
  runtime loop{runtime_options{.threads = 1}};
};

TEST(trace, paths_flags_results_and_errno_names) {
  traced_guest g;
  EXPECT_EQ(g.line(257, {g.fd(AT_FDCWD), g.text("/etc/hosts"), O_RDONLY | O_CLOEXEC, 0}),
            "openat(AT_FDCWD, \"/etc/hosts\", O_RDONLY|O_CLOEXEC, 0) = 3");
  EXPECT_EQ(g.line(2, {g.text("/etc/shadow"), O_WRONLY | O_CREAT, 0640}),
            "open(\"/etc/shadow\", O_WRONLY|O_CREAT, 0640) = -1 ENOENT (No such file or directory)");
  EXPECT_EQ(g.line(3, {77}), "close(77) = -1 EBADF (Bad file descriptor)");
  EXPECT_EQ(g.line(9, {0, 8192, 3, 0x22, g.fd(-1), 0}).substr(0, 72),
            "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)");
}

TEST(trace, buffers_show_what_was_moved_bounded_and_escaped) {
  traced_guest g;
  EXPECT_EQ(g.line(1, {1, g.text("a\n\"\x01\xff"), 5}), "write(1, \"a\\n\\\"\\x01\\xff\", 5) = 5");
  const std::string longer = g.line(1, {1, g.text(std::string(5000, 'x')), 5000});
  EXPECT_EQ(longer, "write(1, \"" + std::string(trace_string_bytes, 'x') + "\"..., 5000) = 5000");
  g.call(2, {g.text("/proc/sys/kernel/osrelease"), O_RDONLY});
  const std::uint64_t buffer = g.room(100);
  EXPECT_EQ(g.line(0, {3, buffer, 100}), "read(3, \"6.1.0-osvm\\n\", 100) = 11");
}

TEST(trace, structures) {
  traced_guest g;
  EXPECT_NE(g.line(5, {1, g.room(256)}).find("{st_mode=S_IFCHR|0666, st_size=0, ...}"), std::string::npos);
  const sockaddr_in to{
      .sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {htonl(0xc0000201)}, .sin_zero = {}};
  EXPECT_EQ(g.line(41, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0}),
            "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3");
  EXPECT_EQ(g.line(42, {3, g.put(to), sizeof to}),
            "connect(3, {sa_family=AF_INET, sin_port=80, sin_addr=\"192.0.2.1\"}, 16) = -1 EACCES "
            "(Permission denied)");
  EXPECT_EQ(g.line(22, {g.room(8)}), "pipe([4, 5]) = 0");
  const std::uint64_t text = g.text("one");
  const std::uint64_t iov = g.put(std::array<std::uint64_t, 2>{text, 3});
  EXPECT_EQ(g.line(20, {5, iov, 1}), "writev(5, [{iov_base=\"one\", iov_len=3}], 1) = 3");
}

TEST(trace, bad_pointers_are_numbers_and_unknown_calls_are_shown) {
  traced_guest g;
  EXPECT_EQ(g.line(1, {1, guest::unmapped, 5}).substr(0, 23), "write(1, 0x50000000, 5)");
  EXPECT_EQ(g.line(2, {guest::unmapped, 0, 0}), "open(0x50000000, O_RDONLY, 0) = -1 EFAULT (Bad address)");
  EXPECT_EQ(g.line(20, {1, guest::unmapped, 1u << 30}).substr(0, 21), "writev(1, 0x50000000,");
  EXPECT_EQ(g.line(5000, {1, 2}),
            "syscall_0x1388(0x1, 0x2, 0x0, 0x0, 0x0, 0x0) = -1 ENOSYS (Function not implemented)");
  EXPECT_EQ(g.line(425, {8, 0}), "io_uring_setup(8, NULL) = -1 ENOSYS (Function not implemented)");
}

TEST(trace, a_denial_stands_before_its_call) {
  traced_guest g;
  (void)g.state.events->take(1000);
  g.open("/etc/shadow", O_RDONLY);
  const auto all = g.state.events->take(1000);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].kind, event_kind::denial);
  EXPECT_EQ(all[0].text, "open /etc/shadow");
  EXPECT_EQ(all[0].rule, "--ro HOST:/etc/shadow");
  EXPECT_EQ(all[1].kind, event_kind::trace);
  EXPECT_EQ(all[1].result, -ENOENT);
  EXPECT_EQ(all[1].call, 2u);
  EXPECT_EQ(all[1].thread, 1);
}

TEST(trace, what_does_not_fit_is_counted) {
  traced_guest g({}, 4);
  for (int i = 0; i < 10; ++i) g.call(39, {});
  EXPECT_EQ(g.state.events->dropped(), 6u);
  EXPECT_EQ(g.state.events->take(1000).size(), 4u);
  for (int i = 0; i < 3; ++i) g.call(39, {});
  EXPECT_EQ(g.state.events->dropped(), 6u);
}

TEST(trace, nothing_is_recorded_when_off) {
  guest g;
  g.call(39, {});
  EXPECT_EQ(g.state.events, nullptr);
}

// Two tables name the calls: the one that serves and the one that describes.
TEST(trace, both_tables_agree_on_names_and_argument_counts) {
  for (const syscall_family* family : syscall_families()) {
    for (const syscall_entry& e : family->entries) {
      const call_info* info = find_call(e.number);
      ASSERT_NE(info, nullptr) << e.name;
      EXPECT_STREQ(info->name, e.name);
      EXPECT_NE(info->arguments[0], argument_kind::end) << e.name << " has no described arguments";
    }
  }
  for (std::size_t i = 1; i < all_calls().size(); ++i)
    EXPECT_LT(all_calls()[i - 1].number, all_calls()[i].number);
}

TEST(trace, words) {
  const auto words = [](argument_kind kind, std::uint64_t value) {
    std::string out;
    EXPECT_TRUE(append_words(out, kind, value));
    return out;
  };
  EXPECT_EQ(words(argument_kind::open_flags, 0), "O_RDONLY");
  EXPECT_EQ(words(argument_kind::open_flags, 3), "0x3");
  EXPECT_EQ(words(argument_kind::access_mode, 0), "F_OK");
  EXPECT_EQ(words(argument_kind::futex_op, 128 | 9), "FUTEX_WAIT_BITSET|FUTEX_PRIVATE_FLAG");
  EXPECT_EQ(words(argument_kind::clone_flags, 0x01000011), "SIGCHLD|CLONE_CHILD_SETTID");
  EXPECT_EQ(words(argument_kind::at_flags, 0), "0");
  EXPECT_EQ(words(argument_kind::whence, 99), "0x63");
  EXPECT_STREQ(errno_name(ENOSYS), "ENOSYS");
  EXPECT_STREQ(errno_name(ECONNRESET), "ECONNRESET");
  EXPECT_EQ(errno_name(4000), nullptr);
  EXPECT_STREQ(signal_name(SIGURG), "SIGURG");
}

}  // namespace
