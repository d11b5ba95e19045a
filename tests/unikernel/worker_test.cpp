// The worker process itself: what crosses, what happens when one side ends, lies or is killed.
#include "unikernel/guest_fixture.hpp"
#include "unikernel/worker/link.hpp"
#include "unikernel/worker_fixture.hpp"

#include <osvm/unikernel/template.hpp>

#include <signal.h>
#include <sys/socket.h>

namespace {

using namespace osvm;
using namespace osvm::test;
using namespace osvm::unikernel;

struct socket_ends {
  wire::link a, b;
  socket_ends() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    a.open(unique_fd(ends[0]));
    b.open(unique_fd(ends[1]));
  }
};

TEST(worker_link, a_large_body_goes_as_a_memory_file) {
  socket_ends s;
  std::string text(3 << 20, 'x');
  wire::writer body;
  body(text);
  ASSERT_TRUE(s.a.send(wire::kind::answer, 7, body));
  const auto m = s.b.receive();
  ASSERT_TRUE(m) << m.error().to_string();
  EXPECT_EQ(m->head.id, 7u);
  std::string got;
  ASSERT_TRUE(wire::decode(*m, got));
  EXPECT_EQ(got, text);
}

TEST(worker_link, descriptors_cross_and_none_is_kept_that_was_not_asked_for) {
  socket_ends s;
  wire::writer body;
  int fd = 2;
  body.descriptor(fd);
  ASSERT_TRUE(s.a.send(wire::kind::answer, 1, body));
  const auto m = s.b.receive();
  ASSERT_TRUE(m);
  ASSERT_EQ(m->fds.size(), 1u);
  std::string none;
  EXPECT_FALSE(wire::decode(*m, none)) << "a body of nothing is no text";
}

TEST(worker_link, what_is_no_message_is_malformed) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const unique_fd raw(ends[0]);
  wire::link link;
  link.open(unique_fd(ends[1]));
  ASSERT_EQ(::send(raw.get(), "short", 5, 0), 5);
  EXPECT_EQ(link.receive().error().code, make_error_code(osvm::errc::malformed));
  // A body that is said to be attached, without a file.
  const wire::header lies{.kind = 16, .id = 1, .attached = 1 << 20};
  ASSERT_EQ(::send(raw.get(), &lies, sizeof lies, 0), static_cast<ssize_t>(sizeof lies));
  EXPECT_EQ(link.receive().error().code, make_error_code(osvm::errc::malformed));
  ::shutdown(raw.get(), SHUT_RDWR);
  EXPECT_EQ(link.receive().error().code, make_error_code(osvm::errc::closed));
}

TEST(worker_wire, a_length_beyond_the_message_takes_no_memory) {
  const std::uint32_t size = 0xffffffff;
  const std::string bytes(reinterpret_cast<const char*>(&size), sizeof size);
  const std::vector<int> none;
  std::vector<event> events;
  wire::reader in(bytes, none);
  in(events);
  EXPECT_TRUE(in.failed());
  EXPECT_LE(events.size(), 1u);
}

class worker : public worker_test {
 protected:
  result<instance> start_apart(const std::string& name, std::vector<std::string> arguments = {}) {
    return instance::create(loop().get_executor(), program(name), apart(name, std::move(arguments)));
  }
};

TEST_F(worker, that_is_killed_ends_its_guest_with_the_reason) {
  auto guest = start_apart("stubborn", {"sleeping"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  ASSERT_TRUE(says(*guest, "ready"));
  const auto pids = workers();
  ASSERT_EQ(pids.size(), 1u);
  ASSERT_EQ(::kill(pids[0], SIGKILL), 0);
  const auto end = guest->wait(patience);
  ASSERT_TRUE(end) << end.error().to_string();
  EXPECT_EQ(end->cause, exit_cause::failed);
  EXPECT_EQ(end->detail, "the worker process was ended by signal 9");
  EXPECT_EQ(guest->signal(15).error().code, make_error_code(osvm::errc::closed));
  EXPECT_EQ(guest->take_output(1), "");
  EXPECT_TRUE(workers().empty());
}

TEST_F(worker, makes_no_template_yet_and_says_so) {
  auto guest = start_apart("stubborn", {"sleeping"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  ASSERT_TRUE(says(*guest, "ready"));
  const auto refused = guest->snapshot(patience);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, unikernel::make_error_code(unikernel::errc::cannot_snapshot));
  EXPECT_NE(refused.error().to_string().find("worker"), std::string::npos) << refused.error().to_string();
}

// A worker that a guest has taken over need not do as it is told.
TEST_F(worker, that_does_not_heed_a_kill_is_killed) {
  auto guest = start_apart("stubborn", {"sleeping"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  ASSERT_TRUE(says(*guest, "ready"));
  const auto pids = workers();
  ASSERT_EQ(pids.size(), 1u);
  ASSERT_EQ(::kill(pids[0], SIGSTOP), 0);
  guest->kill();
  const auto end = guest->wait(patience);
  ASSERT_TRUE(end) << end.error().to_string();
  EXPECT_EQ(end->cause, exit_cause::killed);
  EXPECT_TRUE(workers().empty());
}

// SIGKILL of the embedder leaves nothing: the worker sees its socket close.
TEST_F(worker, ends_with_its_embedder) {
  int report[2];
  ASSERT_EQ(::pipe(report), 0);
  const pid_t embedder = ::fork();
  ASSERT_GE(embedder, 0);
  if (embedder == 0) {
    runtime own;
    auto guest = instance::create(own.get_executor(), program("stubborn"), apart("stubborn", {"sleeping"}));
    pid_t worker_pid = 0;
    if (guest && says(*guest, "ready")) {
      if (const auto all = workers(); all.size() == 1) worker_pid = all[0];
    }
    (void)!::write(report[1], &worker_pid, sizeof worker_pid);
    ::pause();
    ::_exit(0);
  }
  pid_t worker_pid = 0;
  ASSERT_EQ(::read(report[0], &worker_pid, sizeof worker_pid), static_cast<ssize_t>(sizeof worker_pid));
  ::close(report[0]);
  ::close(report[1]);
  ASSERT_GT(worker_pid, 0);
  ::kill(embedder, SIGKILL);
  ::waitpid(embedder, nullptr, 0);
  const auto until = std::chrono::steady_clock::now() + patience;
  while (alive(worker_pid) && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(2ms);
  EXPECT_FALSE(alive(worker_pid));
}

TEST_F(worker, that_is_not_there_is_an_error_with_its_path) {
  instance_options o = options("hello");
  o.worker = worker_options{.program = "/nowhere/osvm-worker"};
  const auto guest = instance::create(loop().get_executor(), program("hello"), std::move(o));
  ASSERT_FALSE(guest);
  EXPECT_EQ(guest.error().code.value(), ENOENT);
  EXPECT_NE(guest.error().context.find("/nowhere/osvm-worker"), std::string::npos);
}

TEST_F(worker, that_is_no_worker_is_an_error) {
  instance_options o = options("hello");
  o.worker = worker_options{.program = "/bin/true"};
  const auto guest = instance::create(loop().get_executor(), program("hello"), std::move(o));
  ASSERT_FALSE(guest);
  EXPECT_EQ(guest.error().code, make_error_code(osvm::errc::closed)) << guest.error().to_string();
}

TEST_F(worker, learns_no_policy_in_a_jail) {
  instance_options o = apart("hello");
  o.worker->jail = true;
  o.learn = learning::denials;
  const auto guest = instance::create(loop().get_executor(), program("hello"), std::move(o));
  ASSERT_FALSE(guest);
  EXPECT_EQ(guest.error().code, make_error_code(osvm::errc::invalid_argument));
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

TEST_F(worker, a_hundred_leave_nothing) {
  run("hello");  // what is opened once stays
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 100; ++i) {
    instance_options o = apart("stubborn", {"sleeping"});
    o.worker->jail = i % 2 == 1;
    auto guest = instance::create(loop().get_executor(), program("stubborn"), std::move(o));
    ASSERT_TRUE(guest) << guest.error().to_string();
    if (i % 3 == 0) guest->kill();
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_TRUE(workers().empty());
  EXPECT_TRUE(std::filesystem::is_empty(dir));
}

}  // namespace
