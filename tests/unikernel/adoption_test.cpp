// Instances that outlive the process that made them: another one becomes their owner, or they end by
// themselves and leave nothing.
#include "unikernel/guest_fixture.hpp"
#include "unikernel/worker/cgroup.hpp"
#include "unikernel/worker_fixture.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

namespace {

using namespace osvm;
using namespace osvm::test;
using namespace osvm::unikernel;

std::string read_line(int fd) {
  std::string line;
  for (char c = 0; ::read(fd, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

unique_fd connect_to(const std::string& path, int type = SOCK_STREAM) {
  unique_fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::strncpy(at.sun_path, path.c_str(), sizeof at.sun_path - 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) fd.reset();
  return fd;
}

// A request over a connection of its own, answered with sixteen bytes.
bool asks(const std::string& path) {
  const unique_fd fd = connect_to(path);
  constexpr std::string_view request = "GET /bytes/16 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  if (!fd ||
      ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return false;
  std::string answer;
  char part[4096];
  for (ssize_t n = 0; (n = ::recv(fd.get(), part, sizeof part, 0)) > 0;) answer.append(part, part + n);
  const std::size_t body = answer.find("\r\n\r\n");
  return answer.starts_with("HTTP/1.1 200") && body != std::string::npos && answer.size() == body + 4 + 16;
}

// Clients without pause, until it is destroyed.
class load {
 public:
  explicit load(std::string path) {
    for (int i = 0; i < 2; ++i) {
      clients_.emplace_back([this, path] {
        while (!stop_) ++(asks(path) ? answered : lost);
      });
    }
  }
  ~load() { end(); }
  void end() {
    stop_ = true;
    for (auto& c : clients_)
      if (c.joinable()) c.join();
  }
  bool reaches(unsigned more) {
    const unsigned goal = answered + more;
    const auto until = std::chrono::steady_clock::now() + patience;
    while (answered < goal && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(1ms);
    return answered >= goal;
  }
  std::atomic<unsigned> answered{0}, lost{0};

 private:
  std::atomic<bool> stop_{false};
  std::vector<std::thread> clients_;
};

class adoption : public worker_test {
 protected:
  void TearDown() override {
    for (const pid_t pid : owners_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    worker_test::TearDown();
  }

  // Another process that owns an instance and does nothing.
  struct owner {
    pid_t pid = -1;
    result<adoption_ticket> ticket = error(osvm::errc::closed, "no owner");
    pid_t worker = 0, keeper = 0;
  };
  instance_options outliving(const std::string& name, std::vector<std::string> arguments = {}) {
    instance_options o = apart(name, std::move(arguments));
    o.worker->orphan_after = 60s;
    return o;
  }
  // `make` gives the instance, in that process; it is told through a pipe how that went.
  owner in_another_process(const std::function<result<instance>(executor)>& make) {
    facts();
    int report[2];
    EXPECT_EQ(::pipe2(report, O_CLOEXEC), 0);
    owner o;
    o.pid = ::fork();
    if (o.pid == 0) {
      runtime own;
      auto guest = make(own.get_executor());
      std::string said = guest ? to_string(guest->ticket().value()) : guest.error().to_string();
      said += '\n';
      (void)!::write(report[1], said.data(), said.size());
      for (;;) ::pause();
    }
    ::close(report[1]);
    const std::string said = read_line(report[0]);
    ::close(report[0]);
    owners_.push_back(o.pid);
    o.ticket = parse_adoption_ticket(said);
    EXPECT_TRUE(o.ticket) << said;
    for (const pid_t pid : workers_of(o.pid)) o.worker = pid;
    for (const pid_t pid : keepers_of(o.pid)) o.keeper = pid;
    return o;
  }
  owner create_elsewhere(const std::string& name, instance_options options) {
    const image& p = program(name);
    return in_another_process(
        [&, options = std::move(options)](executor ex) { return instance::create(ex, p, options); });
  }
  void kill_owner(const owner& o) {
    ::kill(o.pid, SIGKILL);
    ::waitpid(o.pid, nullptr, 0);
    std::erase(owners_, o.pid);
  }
  result<instance> adopt(const adoption_ticket& t, adopt_options options = {}) {
    return instance::adopt(loop().get_executor(), t, std::move(options));
  }
  static bool ends(pid_t pid) {
    const auto until = std::chrono::steady_clock::now() + patience;
    const auto there = [&] {
      const std::string state = status_of(pid);
      if (state.empty() || state[0] != 'Z') return !state.empty();
      // A first thread that has ended waits for the others, which may hold what it had.
      std::error_code ec;
      std::size_t threads = 0;
      for (std::filesystem::directory_iterator at("/proc/" + std::to_string(pid) + "/task", ec), end;
           !ec && at != end; at.increment(ec))
        ++threads;
      return threads > 1;
    };
    while (there() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(1ms);
    return !there();
  }
  ::testing::AssertionResult folder_is_empty() const {
    std::string names;
    for (const auto& entry : std::filesystem::directory_iterator(dir))
      names += " " + entry.path().filename().string();
    return names.empty() ? ::testing::AssertionSuccess() << "nothing is there"
                         : ::testing::AssertionFailure() << "there is:" << names;
  }

 private:
  std::vector<pid_t> owners_;
};

TEST_F(adoption, under_load_loses_no_request) {
  for (const bool jail : {false, true}) {
    instance_options o = outliving("http_server", {"8080"});
    o.policy.listen = {{transport::tcp, 8080}};
    o.worker->jail = jail;
    const auto limited = worker_cgroup::create({.tasks = 30}, 1);
    if (limited) o.worker->limits.tasks = 30;
    const owner creator = create_elsewhere("http_server", std::move(o));
    ASSERT_TRUE(creator.ticket);
    std::string listening;
    const auto until = std::chrono::steady_clock::now() + patience;
    while (listening.empty() && std::chrono::steady_clock::now() < until) {
      for (const auto& e : std::filesystem::directory_iterator(dir))
        if (e.path().string().ends_with("-tcp-8080.sock") && asks(e.path())) listening = e.path();
    }
    load clients(listening);
    ASSERT_TRUE(clients.reaches(50));
    kill_owner(creator);
    ASSERT_TRUE(clients.reaches(50)) << "without an owner";
    auto guest = adopt(*creator.ticket);
    ASSERT_TRUE(guest) << guest.error().to_string();
    ASSERT_TRUE(clients.reaches(50)) << "with a new owner";
    clients.end();
    EXPECT_EQ(clients.lost, 0u) << "of " << clients.answered;
    const auto at = guest->wait_listening({transport::tcp, 8080}, patience);
    ASSERT_TRUE(at) << at.error().to_string();
    EXPECT_EQ(std::get<unix_endpoint>(*at).path, listening);
    EXPECT_GT(guest->stats().exits, 150u);
    EXPECT_EQ(guest->isolation_report().find("in a jail") != std::string::npos, jail);
    EXPECT_EQ(guest->ticket()->nonce, creator.ticket->nonce);
    const auto groups = worker_cgroup::folders_of(creator.worker);
    EXPECT_EQ(groups.size(), limited ? 1u : 0u);
    EXPECT_TRUE(guest->signal(SIGTERM));
    EXPECT_TRUE(guest->wait(patience));
    guest = error(osvm::errc::closed);
    EXPECT_TRUE(ends(creator.worker));
    EXPECT_TRUE(ends(creator.keeper));
    EXPECT_TRUE(folder_is_empty());
    for (const auto& group : groups) EXPECT_FALSE(std::filesystem::exists(group));
  }
}

TEST_F(adoption, tells_the_new_owner_what_nobody_heard) {
  int lines[2];
  ASSERT_EQ(::pipe2(lines, O_CLOEXEC), 0);
  instance_options o = outliving("cat");
  o.arguments = {"/usr/bin/cat"};
  o.grant_libraries = true;
  o.input = stdio::from_fd(lines[0]);
  o.output = stdio::log();
  o.events.capacity = 4;
  const auto cat = image::load("/usr/bin/cat");
  ASSERT_TRUE(cat);
  const owner creator = in_another_process([&](executor ex) { return instance::create(ex, *cat, o); });
  ASSERT_TRUE(creator.ticket);
  kill_owner(creator);
  ::close(lines[0]);
  const std::string text = "one\ntwo\nthree\nfour\nfive\nsix\n";
  ASSERT_EQ(::write(lines[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(lines[1]);  // and the guest ends
  auto guest = adopt(*creator.ticket, {.events = {.capacity = 16, .handler = {}}});
  ASSERT_TRUE(guest) << guest.error().to_string();
  const auto end = guest->wait(patience);
  ASSERT_TRUE(end) << end.error().to_string();
  EXPECT_EQ(end->cause, exit_cause::exited);
  EXPECT_EQ(end->status, 0);
  std::string heard;
  for (const event& e : guest->take_events()) heard += e.text + "\n";
  EXPECT_EQ(heard.substr(0, 8), "one\ntwo\n") << heard;
  EXPECT_TRUE(text.starts_with(heard)) << heard;
  std::size_t count = 0;
  for (const char c : heard) count += c == '\n';
  EXPECT_EQ(count + guest->stats().events_dropped, 6u) << heard;
}

TEST_F(adoption, needs_the_nonce) {
  const owner creator = create_elsewhere("stubborn", outliving("stubborn", {"sleeping"}));
  ASSERT_TRUE(creator.ticket);
  kill_owner(creator);
  adoption_ticket wrong = *creator.ticket;
  wrong.nonce.back() = wrong.nonce.back() == '0' ? '1' : '0';
  EXPECT_EQ(adopt(wrong).error().code, make_error_code(osvm::errc::denied));
  wrong.nonce.clear();
  EXPECT_EQ(adopt(wrong).error().code, make_error_code(osvm::errc::denied));
  EXPECT_TRUE(adopt(*creator.ticket)) << "the control";
}

TEST_F(adoption, waits_for_the_end_of_the_owner) {
  const owner creator = create_elsewhere("stubborn", outliving("stubborn", {"sleeping"}));
  ASSERT_TRUE(creator.ticket);
  EXPECT_EQ(adopt(*creator.ticket).error().code, make_error_code(osvm::errc::busy));
  kill_owner(creator);
  EXPECT_TRUE(adopt(*creator.ticket));
}

TEST_F(adoption, goes_to_one_of_two) {
  const owner creator = create_elsewhere("stubborn", outliving("stubborn", {"sleeping"}));
  ASSERT_TRUE(creator.ticket);
  kill_owner(creator);
  std::vector<std::optional<result<instance>>> got(8);
  std::vector<std::thread> all;
  std::atomic<int> ready{0};
  (void)loop();
  for (auto& mine : got) {
    all.emplace_back([&] {
      ++ready;
      while (ready < 8) std::this_thread::yield();
      mine.emplace(adopt(*creator.ticket));
    });
  }
  for (auto& t : all) t.join();
  int owners = 0;
  for (const auto& g : got) {
    owners += g->has_value();
    if (!*g) EXPECT_EQ(g->error().code, make_error_code(osvm::errc::busy)) << g->error().to_string();
  }
  EXPECT_EQ(owners, 1);
}

TEST_F(adoption, can_happen_again) {
  owner last = create_elsewhere("stubborn", outliving("stubborn", {"sleeping"}));
  ASSERT_TRUE(last.ticket);
  const pid_t worker = last.worker;
  for (int i = 0; i < 3; ++i) {
    kill_owner(last);
    const adoption_ticket ticket = *last.ticket;
    last = in_another_process([&](executor ex) { return instance::adopt(ex, ticket); });
    ASSERT_TRUE(last.ticket);
  }
  EXPECT_TRUE(alive(worker));
  kill_owner(last);
  auto guest = adopt(*last.ticket);
  ASSERT_TRUE(guest) << guest.error().to_string();
  guest->kill();
  const auto end = guest->wait(patience);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->cause, exit_cause::killed);
}

TEST_F(adoption, that_does_not_come_ends_the_orphan_without_a_trace) {
  const auto can_limit = worker_cgroup::create({.tasks = 30}, 1).has_value();
  for (const bool jail : {false, true}) {
    instance_options o = outliving("http_server", {"8080"});
    o.policy.listen = {{transport::tcp, 8080}};
    o.worker->orphan_after = 100ms;
    o.worker->jail = jail;
    if (can_limit) o.worker->limits.tasks = 30;
    const owner creator = create_elsewhere("http_server", std::move(o));
    ASSERT_TRUE(creator.ticket);
    const auto groups = worker_cgroup::folders_of(creator.worker);
    EXPECT_EQ(groups.size(), can_limit ? 1u : 0u);
    EXPECT_FALSE(folder_is_empty());
    kill_owner(creator);
    EXPECT_TRUE(ends(creator.worker));
    EXPECT_TRUE(ends(creator.keeper));
    EXPECT_TRUE(folder_is_empty());
    for (const auto& group : groups) EXPECT_FALSE(std::filesystem::exists(group));
    EXPECT_EQ(adopt(*creator.ticket).error().code, make_error_code(osvm::errc::not_found));
  }
}

// The worker removes its sockets itself; the keeper, when it could not.
TEST_F(adoption, of_an_orphan_that_is_killed_finds_nothing) {
  instance_options o = outliving("http_server", {"8080"});
  o.policy.listen = {{transport::tcp, 8080}};
  const owner creator = create_elsewhere("http_server", std::move(o));
  ASSERT_TRUE(creator.ticket);
  kill_owner(creator);
  ::kill(creator.worker, SIGKILL);
  EXPECT_TRUE(ends(creator.worker));
  EXPECT_TRUE(ends(creator.keeper));
  EXPECT_TRUE(folder_is_empty());
}

TEST_F(adoption, leftovers_of_three_killed_processes_are_swept_by_the_next) {
  const owner creator = create_elsewhere("stubborn", outliving("stubborn", {"sleeping"}));
  ASSERT_TRUE(creator.ticket);
  ::kill(creator.keeper, SIGKILL);
  EXPECT_TRUE(ends(creator.keeper));
  kill_owner(creator);
  ::kill(creator.worker, SIGKILL);
  EXPECT_TRUE(ends(creator.worker));
  EXPECT_TRUE(std::filesystem::exists(creator.ticket->socket)) << "nobody is there to remove it";
  auto next =
      instance::create(loop().get_executor(), program("stubborn"), outliving("stubborn", {"sleeping"}));
  ASSERT_TRUE(next) << next.error().to_string();
  EXPECT_FALSE(std::filesystem::exists(creator.ticket->socket));
  EXPECT_TRUE(std::filesystem::exists(next->ticket()->socket)) << "a living one stays";
}

TEST_F(adoption, is_not_for_a_handle_that_is_destroyed) {
  auto guest =
      instance::create(loop().get_executor(), program("stubborn"), outliving("stubborn", {"sleeping"}));
  ASSERT_TRUE(guest) << guest.error().to_string();
  ASSERT_TRUE(says(*guest, "ready"));
  struct stat st {};
  ASSERT_EQ(::stat(guest->ticket()->socket.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
  EXPECT_EQ(workers().size(), 1u);
  guest = error(osvm::errc::closed);
  EXPECT_TRUE(workers().empty());
  EXPECT_TRUE(keepers_of(::getpid()).empty());
  EXPECT_TRUE(folder_is_empty());
}

TEST_F(adoption, a_worker_that_is_killed_is_known_to_its_new_owner) {
  const owner creator = create_elsewhere("stubborn", outliving("stubborn", {"sleeping"}));
  ASSERT_TRUE(creator.ticket);
  kill_owner(creator);
  auto guest = adopt(*creator.ticket);
  ASSERT_TRUE(guest) << guest.error().to_string();
  ::kill(creator.worker, SIGKILL);
  const auto end = guest->wait(patience);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->cause, exit_cause::failed);
  EXPECT_EQ(end->detail, "the worker process has ended");
}

// A worker that a guest has taken over does not heed its new owner either.
TEST_F(adoption, a_worker_that_does_not_heed_a_kill_is_killed) {
  const owner creator = create_elsewhere("stubborn", outliving("stubborn", {"sleeping"}));
  ASSERT_TRUE(creator.ticket);
  kill_owner(creator);
  auto guest = adopt(*creator.ticket);
  ASSERT_TRUE(guest) << guest.error().to_string();
  ::kill(creator.worker, SIGSTOP);
  guest->kill();
  const auto end = guest->wait(patience);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->cause, exit_cause::killed);
  EXPECT_TRUE(ends(creator.worker));
}

TEST_F(adoption, visitors_without_manners_hinder_nobody) {
  const owner creator = create_elsewhere("stubborn", outliving("stubborn", {"sleeping"}));
  ASSERT_TRUE(creator.ticket);
  kill_owner(creator);
  std::vector<unique_fd> silent;
  for (int i = 0; i < 5; ++i) silent.push_back(connect_to(creator.ticket->socket, SOCK_SEQPACKET));
  const unique_fd loud = connect_to(creator.ticket->socket, SOCK_SEQPACKET);
  ASSERT_EQ(::send(loud.get(), "GET / HTTP/1.1", 14, 0), 14);
  auto guest = adopt(*creator.ticket);
  EXPECT_TRUE(guest) << guest.error().to_string();
}

class no_files final : public file_source {
 public:
  std::span<const source_entry> entries() const noexcept override { return {}; }
  result<std::shared_ptr<const unique_fd>> open(std::size_t) const override {
    return error(osvm::errc::not_found, "no files");
  }
};

TEST_F(adoption, is_refused_where_it_could_not_work) {
  const auto code = [&](auto&& change) {
    instance_options o = outliving("hello");
    change(o);
    const auto guest = instance::create(loop().get_executor(), program("hello"), std::move(o));
    return guest ? error_code() : guest.error().code;
  };
  const auto invalid = make_error_code(osvm::errc::invalid_argument);
  EXPECT_EQ(code([](instance_options&) {}), error_code()) << "the control";
  EXPECT_EQ(code([](instance_options& o) { o.socket_dir.clear(); }), invalid);
  EXPECT_EQ(code([](instance_options& o) { o.worker->orphan_after = -1s; }), invalid);
  EXPECT_EQ(code([](instance_options& o) { o.name = std::string(64, 'x') + "y"; }), invalid);
  EXPECT_EQ(code([](instance_options& o) { o.policy.trees = {{.source = std::make_shared<no_files>()}}; }),
            invalid);
  const std::string open = dir + "/open";
  ASSERT_EQ(::mkdir(open.c_str(), 0700), 0);
  ASSERT_EQ(::chmod(open.c_str(), 0750), 0);
  EXPECT_EQ(code([&](instance_options& o) { o.socket_dir = open; }), invalid);
  ASSERT_EQ(::rmdir(open.c_str()), 0);
  EXPECT_TRUE(folder_is_empty());
  auto bound = instance::create(loop().get_executor(), program("stubborn"), apart("stubborn", {"sleeping"}));
  ASSERT_TRUE(bound);
  EXPECT_EQ(bound->ticket().error().code, invalid);
  auto here = instance::create(loop().get_executor(), program("stubborn"), options("stubborn", {"sleeping"}));
  ASSERT_TRUE(here);
  EXPECT_EQ(here->ticket().error().code, invalid);
}

TEST_F(adoption, by_a_socket_that_is_none_is_refused) {
  const std::string nonce(32, 'a');
  const auto code = [&](const std::string& socket) { return adopt({socket, nonce}).error().code; };
  EXPECT_EQ(code(dir + "/guest-00000001.adopt"), make_error_code(osvm::errc::not_found));
  for (const std::string& bad :
       {std::string(), std::string("x"), dir, dir + "/guest-0000000g.adopt", dir + "/-00000001.adopt",
        dir + "/" + std::string(200, 'x') + "-00000001.adopt"})
    EXPECT_EQ(code(bad), make_error_code(osvm::errc::invalid_argument)) << bad;
}

TEST(adoption_ticket, is_a_text) {
  const adoption_ticket t{"/tmp/x/guest-00000001.adopt", "0123456789abcdef0123456789abcdef"};
  const auto again = parse_adoption_ticket(to_string(t));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->socket, t.socket);
  EXPECT_EQ(again->nonce, t.nonce);
  for (const char* bad : {"", "@/x", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef@",
                          "0123456789abcdef0123456789abcdef@x", "0123456789abcdef0123456789abcdeF@/x",
                          "0123456789abcdef0123456789abcdef0@/x"})
    EXPECT_FALSE(parse_adoption_ticket(bad)) << bad;
}

}  // namespace
