#include "unikernel/worker/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <utility>

namespace osvm::unikernel {
namespace {

constexpr int link_number = 3;

struct spawn_setup {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};

  spawn_setup() noexcept {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  ~spawn_setup() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  spawn_setup(const spawn_setup&) = delete;
  spawn_setup& operator=(const spawn_setup&) = delete;

  int prepare(int socket) noexcept {
    int failed = 0;
    const auto step = [&](int e) { failed = failed ? failed : e; };
    // dup2 onto itself would keep close-on-exec; here glibc clears it then (POSIX.1-2024).
    step(::posix_spawn_file_actions_adddup2(&actions, socket, link_number));
    for (int fd = 0; fd < 3; ++fd)
      step(::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", fd == 0 ? O_RDONLY : O_WRONLY, 0));
    step(::posix_spawn_file_actions_addclosefrom_np(&actions, link_number + 1));
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    step(::posix_spawnattr_setsigmask(&attributes, &none));
    step(::posix_spawnattr_setsigdefault(&attributes, &all));
    // Its own session: a terminal's Ctrl-C is for the embedder, who ends the guest in its own way.
    step(::posix_spawnattr_setflags(&attributes,
                                    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID));
    return failed;
  }
};

}  // namespace

result<worker_process> worker_process::of(pid_t process) {
  worker_process p;
  p.owner_ = ::getpid();
  p.child_ = false;
  p.handle_.reset(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  if (!p.handle_) return errno_error("watching the worker process");
  p.pid_ = process;
  return p;
}

result<worker_process> worker_process::start(const std::string& program, int socket,
                                             const std::vector<std::string>& more) {
  spawn_setup setup;
  if (const int e = setup.prepare(socket); e != 0) return errno_error("preparing the worker process", e);
  std::string name = "osvm-worker";
  std::vector<char*> arguments{name.data()};
  for (const std::string& argument : more) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  char* const environment[] = {nullptr};
  worker_process p;
  p.owner_ = ::getpid();
  const int e = ::posix_spawn(&p.pid_, program.c_str(), &setup.actions, &setup.attributes, arguments.data(),
                              environment);
  if (e != 0) {
    p.pid_ = -1;
    return errno_error("starting the worker process " + program, e);
  }
  p.handle_.reset(static_cast<int>(::syscall(SYS_pidfd_open, p.pid_, 0)));
  if (!p.handle_) {
    const int why = errno;
    (void)::kill(p.pid_, SIGKILL);  // not reaped yet, so that the number is still its own
    (void)::waitpid(std::exchange(p.pid_, -1), nullptr, 0);
    return errno_error("watching the worker process", why);
  }
  return p;
}

worker_process::worker_process(worker_process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      child_(other.child_),
      owner_(other.owner_),
      handle_(std::move(other.handle_)) {}

worker_process& worker_process::operator=(worker_process&& other) noexcept {
  if (this != &other) {
    (void)end(std::chrono::milliseconds(0));
    pid_ = std::exchange(other.pid_, -1);
    child_ = other.child_;
    owner_ = other.owner_;
    handle_ = std::move(other.handle_);
  }
  return *this;
}

worker_process::~worker_process() {
  (void)end(std::chrono::milliseconds(0));
}

void worker_process::kill() noexcept {
  if (pid_ >= 0 && ::getpid() == owner_)
    (void)::syscall(SYS_pidfd_send_signal, handle_.get(), SIGKILL, nullptr, 0);
}

std::string worker_process::end(std::chrono::milliseconds grace) noexcept {
  if (pid_ < 0 || ::getpid() != owner_) return {};
  pollfd p{.fd = handle_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&p, 1, static_cast<int>(grace.count())) <= 0) kill();
  pid_ = -1;
  if (!child_) {
    (void)::poll(&p, 1, -1);
    handle_.reset();
    return "has ended";
  }
  siginfo_t info{};
  int r = 0;
  do r = ::waitid(P_PIDFD, static_cast<id_t>(handle_.get()), &info, WEXITED);
  while (r != 0 && errno == EINTR);
  handle_.reset();
  if (r != 0) return "is gone";  // an embedder that reaps all children was first
  if (info.si_code == CLD_EXITED) return fmt::format("exited with status {}", info.si_status);
  return fmt::format("was ended by signal {}", info.si_status);
}

}  // namespace osvm::unikernel
