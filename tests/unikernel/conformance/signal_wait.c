// Signals that are waited for instead of handled, and the process' against the threads' pending sets.
// exercises: rt_sigtimedwait rt_sigqueueinfo signalfd4 signalfd poll epoll_wait pidfd_open pidfd_send_signal tgkill
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static sigset_t waited;

static void show(const char* what, const siginfo_t* i, int r) {
  printf("%s: %d", what, r < 0 ? -errno : r);
  if (r > 0)
    printf(" signo %d code %d value %d own %d", i->si_signo, i->si_code,
           i->si_code == SI_QUEUE ? i->si_int : 0, i->si_pid == getpid());
  puts("");
}

static void take(const char* what, long ms) {
  siginfo_t i;
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  show(what, &i, sigtimedwait(&waited, &i, &t));
}

static void* sender(void* to) {
  usleep(30000);
  if (to)
    pthread_kill(*(pthread_t*)to, SIGUSR1);
  else
    kill(getpid(), SIGUSR2);
  return NULL;
}

static void* waiter(void* unused) {
  (void)unused;
  siginfo_t i;
  const int r = sigwaitinfo(&waited, &i);
  show("thread got", &i, r);
  return NULL;
}

static void read_one(int fd, const char* what) {
  struct signalfd_siginfo s;
  const ssize_t n = read(fd, &s, sizeof s);
  if (n < 0)
    printf("%s: %d\n", what, -errno);
  else
    printf("%s: %zd signo %u code %d int %d own %d\n", what, n, s.ssi_signo, s.ssi_code, s.ssi_int,
           s.ssi_pid == (unsigned)getpid());
}

static void descriptors(void) {
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, SIGUSR1);
  const int fd = signalfd(-1, &s, SFD_NONBLOCK | SFD_CLOEXEC);
  struct pollfd p = {fd, POLLIN, 0};
  read_one(fd, "nothing");
  kill(getpid(), SIGUSR2);
  printf("not its signal: %d\n", poll(&p, 1, 0));
  raise(SIGUSR1);
  printf("poll %d\n", poll(&p, 1, 1000));
  read_one(fd, "read");
  printf("poll %d\n", poll(&p, 1, 0));
  sigaddset(&s, SIGUSR2);
  printf("changed %d\n", signalfd(fd, &s, 0) == fd);
  read_one(fd, "the one that waited");
  sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 9});
  const int set = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.u32 = 5};
  epoll_ctl(set, EPOLL_CTL_ADD, fd, &e);
  printf("epoll %d\n", epoll_wait(set, &e, 1, 1000));
  const int copy = dup(fd);
  close(fd);
  read_one(copy, "duplicate");
  char small[100];
  printf("small %zd\n", read(copy, small, sizeof small) < 0 ? -(ssize_t)errno : 0);
  close(copy);
  const int blocking = signalfd(-1, &s, 0);
  pthread_t t;
  pthread_create(&t, NULL, sender, NULL);
  read_one(blocking, "blocking");
  pthread_join(t, NULL);
  printf("bad %d", signalfd(0, &s, 0));
  printf(" %d\n", errno);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  sigemptyset(&waited);
  sigaddset(&waited, SIGUSR1);
  sigaddset(&waited, SIGUSR2);
  sigaddset(&waited, SIGRTMIN + 3);
  sigprocmask(SIG_BLOCK, &waited, NULL);
  take("nothing", 0);
  take("nothing for a while", 30);
  raise(SIGUSR1);
  kill(getpid(), SIGUSR2);
  sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 1});
  sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 2});
  for (int i = 0; i < 5; i++) take("pending", 0);
  pthread_t t, self = pthread_self();
  pthread_create(&t, NULL, sender, &self);
  take("from a thread", 20000);
  pthread_join(t, NULL);
  pthread_create(&t, NULL, sender, NULL);
  take("to the process", 20000);
  pthread_join(t, NULL);
  pthread_create(&t, NULL, waiter, NULL);
  usleep(20000);
  kill(getpid(), SIGUSR1);
  pthread_join(t, NULL);
  signal(SIGUSR2, SIG_IGN);  // ignored and blocked: still there for those who wait
  kill(getpid(), SIGUSR2);
  take("ignored", 0);
  signal(SIGUSR2, SIG_DFL);
  descriptors();
  const int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
  printf("pidfd_send_signal %ld\n", syscall(SYS_pidfd_send_signal, pidfd, SIGUSR1, NULL, 0));
  take("by pidfd", 1000);
  struct pollfd p = {pidfd, POLLIN, 0};
  printf("alive %d\n", poll(&p, 1, 0));
  printf("not a pidfd %ld %d\n", syscall(SYS_pidfd_send_signal, 1, SIGUSR1, NULL, 0), errno);
  return 0;
}
