// Debuggers and core dumps as the library offers them: a hand-written client of the GDB remote protocol, and
// core files read as ELF. The real gdb is in tests/cli/debugger_test.py.
#include "unikernel/debug/packet.hpp"
#include "unikernel/guest_fixture.hpp"

#include <osvm/unikernel/template.hpp>

#include <elf.h>
#include <sys/socket.h>

#include <cstring>
#include <fstream>
#include <future>
#include <thread>

namespace {

using namespace osvm;
using namespace osvm::test;
using unikernel::framed;

const unikernel::listener http{transport::tcp, 8080};

class guest_debugging : public guest_test {
 protected:
  result<instance> start_warm(const tweak& change = {}) {
    std::ofstream(dir + "/file") << "0123456789abcdef";
    return start("clones", {"/data/file", "3"}, [&](instance_options& o) {
      o.policy.listen = {http};
      o.policy.mounts = {{.host_path = dir, .guest_path = "/data"}};
      if (change) change(o);
    });
  }
};

// The debugger's end of a connection; instance::debug() has the other.
class debugger {
 public:
  explicit debugger(instance& guest) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    mine_ = ends[0];
    theirs_ = ends[1];
    const timeval patient{60, 0};
    (void)::setsockopt(mine_, SOL_SOCKET, SO_RCVTIMEO, &patient, sizeof patient);
    served_ = std::async(std::launch::async, [&guest, fd = theirs_] { return guest.debug(fd); });
  }
  debugger(const debugger&) = delete;
  debugger& operator=(const debugger&) = delete;
  ~debugger() {
    close();
    if (served_.valid()) (void)served_.get();
    ::close(theirs_);
  }
  void close() {
    if (mine_ >= 0) ::close(mine_);
    mine_ = -1;
  }
  void send(const std::string& body) {
    const std::string bytes = framed(body);
    ASSERT_EQ(::send(mine_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  std::string receive() {
    std::string raw;
    for (char c = 0; raw.size() < 70000;) {
      const auto end = raw.find('#');
      if (end != std::string::npos && raw.size() >= end + 3) {
        const auto begin = raw.find('$');
        return raw.substr(begin + 1, end - begin - 1);
      }
      if (::recv(mine_, &c, 1, 0) != 1) return "gone";
      raw += c;
    }
    return "endless";
  }
  std::string ask(const std::string& body) {
    send(body);
    return receive();
  }
  result<void> result_of_session() { return served_.get(); }

 private:
  int mine_ = -1, theirs_ = -1;
  std::future<result<void>> served_;
};

struct core {
  explicit core(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
    if (bytes.size() < sizeof header) return;
    std::memcpy(&header, bytes.data(), sizeof header);
    for (unsigned i = 0; i < header.e_phnum; ++i) {
      Elf64_Phdr segment{};
      std::memcpy(&segment, bytes.data() + header.e_phoff + i * sizeof segment, sizeof segment);
      segments.push_back(segment);
    }
  }
  std::vector<std::pair<std::uint32_t, std::string>> notes() const {
    std::vector<std::pair<std::uint32_t, std::string>> all;
    const Elf64_Phdr& at = segments.at(0);
    for (std::size_t p = at.p_offset; p + sizeof(Elf64_Nhdr) <= at.p_offset + at.p_filesz;) {
      Elf64_Nhdr n{};
      std::memcpy(&n, bytes.data() + p, sizeof n);
      p += sizeof n + ((n.n_namesz + 3U) & ~3U);
      all.emplace_back(n.n_type, bytes.substr(p, n.n_descsz));
      p += (n.n_descsz + 3U) & ~3U;
    }
    return all;
  }
  std::string bytes;
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> segments;
};

TEST_F(guest_debugging, a_core_dump_of_a_running_guest_has_its_threads_and_lets_it_go_on) {
  auto guest = start_warm();
  ASSERT_TRUE(guest) << guest.error().to_string();
  ASSERT_TRUE(guest->wait_listening(http, patience));
  const std::string path = dir + "/core";
  const unique_fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  const auto done = guest->dump_core(file.get(), patience);
  ASSERT_TRUE(done) << done.error().to_string();
  const core c(path);
  EXPECT_EQ(std::memcmp(c.header.e_ident, ELFMAG, SELFMAG), 0);
  EXPECT_EQ(c.header.e_type, ET_CORE);
  unsigned threads = 0, auxiliary = 0;
  for (const auto& [type, content] : c.notes()) {
    threads += type == NT_PRSTATUS;
    auxiliary += type == NT_AUXV && content.size() > 64;
  }
  EXPECT_EQ(threads, 4u);
  EXPECT_EQ(auxiliary, 1u);
  std::uint64_t content = 0, last = 0;
  for (const Elf64_Phdr& s : c.segments) {
    if (s.p_type != PT_LOAD) continue;
    EXPECT_GE(s.p_vaddr, last) << "in order, none twice";
    last = s.p_vaddr + s.p_memsz;
    EXPECT_LE(s.p_offset + s.p_filesz, c.bytes.size());
    content += s.p_filesz;
  }
  EXPECT_GE(content, 3u << 20);
  guest->kill();
  finish(*guest, "clones").expect_cause(exit_cause::killed);
}

TEST_F(guest_debugging, a_session_reads_and_changes_the_guest_and_leaves_it_running) {
  auto guest = start_warm();
  ASSERT_TRUE(guest);
  ASSERT_TRUE(guest->wait_listening(http, patience));
  {
    debugger d(*guest);
    EXPECT_NE(d.ask("qSupported").find("swbreak+"), std::string::npos);
    EXPECT_EQ(d.ask("?").substr(0, 10), "T00thread:");
    const std::string list = d.ask("qfThreadInfo");
    EXPECT_EQ(std::count(list.begin(), list.end(), ','), 3) << list;
    const std::string stack = d.ask("p7");
    ASSERT_EQ(stack.size(), 16u);
    std::string sp;
    for (int i = 14; i >= 0; i -= 2) sp += stack.substr(static_cast<std::size_t>(i), 2);
    const std::string before = d.ask("m" + sp + ",8");
    EXPECT_EQ(before.size(), 16u);
    EXPECT_EQ(d.ask("M" + sp + ",8:0102030405060708"), "OK");
    EXPECT_EQ(d.ask("m" + sp + ",8"), "0102030405060708");
    EXPECT_EQ(d.ask("M" + sp + ",8:" + before), "OK");
    EXPECT_EQ(d.ask("m7fffffffffff,8"), "E0e");
    EXPECT_EQ(d.ask("P10=ffffffffffffffff"), "E01") << "an instruction pointer of the kernel's half";
    EXPECT_EQ(d.ask("D"), "OK");
    EXPECT_TRUE(d.result_of_session());
  }
  EXPECT_FALSE(guest->wait(std::chrono::milliseconds(1)));
  guest->kill();
  finish(*guest, "clones").expect_cause(exit_cause::killed);
}

TEST_F(guest_debugging, there_is_one_debugger_and_no_template_meanwhile) {
  auto guest = start_warm();
  ASSERT_TRUE(guest);
  ASSERT_TRUE(guest->wait_listening(http, patience));
  debugger first(*guest);
  EXPECT_NE(first.ask("qC"), "gone");
  const auto saved = guest->snapshot(std::chrono::milliseconds(10));
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, make_error_code(osvm::errc::timed_out)) << saved.error().to_string();
  EXPECT_EQ(guest->dump_core(1, std::chrono::milliseconds(10)).error().code,
            make_error_code(osvm::errc::timed_out));
  first.close();
  EXPECT_TRUE(first.result_of_session());
  EXPECT_TRUE(guest->snapshot(patience));
}

TEST_F(guest_debugging, a_guest_that_is_killed_meanwhile_ends_the_session) {
  for (const bool running : {false, true}) {
    auto guest = start_warm();
    ASSERT_TRUE(guest);
    ASSERT_TRUE(guest->wait_listening(http, patience));
    debugger d(*guest);
    EXPECT_NE(d.ask("qC"), "gone");
    if (running) d.send("vCont;c");
    guest->kill();
    finish(*guest, "clones").expect_cause(exit_cause::killed);
    if (!running) d.send("c");
    EXPECT_EQ(d.receive(), "X09");
    EXPECT_TRUE(d.result_of_session());
  }
}

TEST_F(guest_debugging, a_packet_without_end_ends_the_session_and_not_the_guest) {
  auto guest = start_warm();
  ASSERT_TRUE(guest);
  ASSERT_TRUE(guest->wait_listening(http, patience));
  debugger d(*guest);
  EXPECT_NE(d.ask("qC"), "gone");
  d.send(std::string(3 * unikernel::max_debug_packet, 'x'));
  EXPECT_FALSE(d.result_of_session());
  EXPECT_TRUE(guest->snapshot(patience)) << "all its threads go on";
}

TEST_F(guest_debugging, what_cannot_be_debugged_is_named) {
  const auto unsupported = unikernel::make_error_code(unikernel::errc::debugger_unsupported);
  auto exitless = start_warm([](instance_options& o) { o.exitless = true; });
  ASSERT_TRUE(exitless);
  EXPECT_EQ(exitless->debug(-1).error().code, unsupported);
  EXPECT_EQ(exitless->dump_core(-1, patience).error().code, unsupported);
  auto ended = start("hello");
  ASSERT_TRUE(ended);
  finish(*ended, "hello").expect_exit(0);
  EXPECT_EQ(ended->debug(-1).error().code, make_error_code(osvm::errc::closed));
}

TEST_F(guest_debugging, a_waiting_guest_does_nothing_before_a_debugger_lets_it) {
  auto guest = start("hello", {"words"}, [](instance_options& o) { o.wait_for_debugger = true; });
  ASSERT_TRUE(guest);
  EXPECT_EQ(guest->wait(std::chrono::milliseconds(20)).error().code, make_error_code(osvm::errc::timed_out));
  EXPECT_TRUE(guest->stats().syscalls.empty());
  debugger d(*guest);
  EXPECT_EQ(d.ask("?").substr(0, 3), "T00");
  EXPECT_EQ(d.ask("vCont;c"), "W00");
  finish(*guest, "hello").expect_exit(0);
  auto impatient = start("hello", {}, [](instance_options& o) {
    o.wait_for_debugger = true;
    o.budgets.wall_time = std::chrono::milliseconds(50);
  });
  ASSERT_TRUE(impatient);
  finish(*impatient, "hello").expect_cause(exit_cause::wall_budget);
}

}  // namespace
