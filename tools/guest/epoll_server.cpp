// A C++20 epoll server with timers and worker threads: std::thread, condition_variable, timerfd, eventfd.
// Clients send lines; a worker pool turns each to upper case, and the loop writes the answers. "quit" ends
// it. The line "tick" is answered by how often the 10 ms timer has fired.
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cctype>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

struct job {
  int fd;
  std::string line;
};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

int checked(int value, const char* what) {
  if (value < 0) die(what);
  return value;
}

// Jobs in, results out; `wake` is an eventfd that the loop watches.
class pool {
 public:
  pool(unsigned threads, int wake) : wake_(wake) {
    for (unsigned i = 0; i < threads; i++)
      threads_.emplace_back([this](std::stop_token stop) { work(stop); });
  }

  void submit(job j) {
    std::lock_guard hold(lock_);
    in_.push_back(std::move(j));
    changed_.notify_one();
  }

  std::deque<job> take_results() {
    std::lock_guard hold(lock_);
    return std::exchange(out_, {});
  }

 private:
  void work(std::stop_token stop) {
    std::unique_lock hold(lock_);
    while (changed_.wait(hold, stop, [this] { return !in_.empty(); })) {
      job j = std::move(in_.front());
      in_.pop_front();
      hold.unlock();
      for (char& c : j.line) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      hold.lock();
      out_.push_back(std::move(j));
      std::uint64_t one = 1;
      if (write(wake_, &one, sizeof one) != sizeof one) die("eventfd");
    }
  }

  int wake_;
  std::mutex lock_;
  std::condition_variable_any changed_;
  std::deque<job> in_, out_;
  std::vector<std::jthread> threads_;
};

int listen_on(unsigned short port) {
  int fd = checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  int one = 1;
  checked(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "setsockopt");
  checked(ioctl(fd, FIONBIO, &one), "FIONBIO");
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  checked(bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), "bind");
  checked(listen(fd, 64), "listen");
  return fd;
}

class server {
 public:
  explicit server(unsigned short port)
      : epoll_(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
        listener_(listen_on(port)),
        timer_(checked(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "timerfd_create")),
        wake_(checked(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")),
        pool_(3, wake_) {
    itimerspec every{{0, 10'000'000}, {0, 10'000'000}};
    checked(timerfd_settime(timer_, 0, &every, nullptr), "timerfd_settime");
    for (int fd : {listener_, timer_, wake_}) watch(fd);
  }

  void run() {
    while (!done_) {
      epoll_event events[16];
      int n = epoll_wait(epoll_, events, 16, -1);
      if (n < 0 && errno != EINTR) die("epoll_wait");
      for (int i = 0; i < n; i++) handle(events[i].data.fd);
    }
  }

 private:
  void watch(int fd) {
    epoll_event e{.events = EPOLLIN, .data = {.fd = fd}};
    checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e), "epoll_ctl");
  }

  void handle(int fd) {
    std::uint64_t count = 0;
    if (fd == listener_)
      accept_one();
    else if (fd == timer_)
      ticks_ += read(timer_, &count, sizeof count) == sizeof count ? count : 0;
    else if (fd == wake_)
      deliver();
    else
      receive(fd);
  }

  void accept_one() {
    int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) watch(fd);
  }

  void deliver() {
    std::uint64_t count = 0;
    if (read(wake_, &count, sizeof count) != sizeof count) return;
    for (const job& j : pool_.take_results()) reply(j.fd, j.line);
  }

  void reply(int fd, const std::string& line) {
    std::string text = line + "\n";
    if (send(fd, text.data(), text.size(), MSG_NOSIGNAL) < 0) std::perror("send");
  }

  void receive(int fd) {
    char data[4096];
    ssize_t n = recv(fd, data, sizeof data, 0);
    if (n <= 0) {
      if (n == 0 || errno != EAGAIN) {
        pending_.erase(fd);
        shutdown(fd, SHUT_RDWR);
        close(fd);
      }
      return;
    }
    std::string& text = pending_[fd];
    text.append(data, static_cast<std::size_t>(n));
    for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1))
      command(fd, text.substr(0, end));
  }

  void command(int fd, std::string line) {
    if (line == "quit")
      done_ = true;
    else if (line == "tick")
      reply(fd, std::to_string(ticks_));
    else
      pool_.submit({fd, std::move(line)});
  }

  int epoll_, listener_, timer_, wake_;
  std::uint64_t ticks_ = 0;
  bool done_ = false;
  std::map<int, std::string> pending_;
  pool pool_;
};

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  server s(static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 8080));
  std::puts("listening");
  std::fflush(stdout);
  s.run();
  std::puts("bye");
}
