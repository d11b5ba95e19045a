// Blocking calls that a signal meets: which end with EINTR, which go on, and with how much time.
// exercises: read nanosleep clock_nanosleep poll ppoll select pselect6 epoll_wait epoll_pwait futex pause rt_sigsuspend rt_sigtimedwait
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_int handled, asked, answered;
static int ends[2];
static pthread_t main_thread;
static atomic_int word;

static void handler(int signal) {
  (void)signal;
  handled++;
}

enum { only_signal = 1, then_ready = 2 };

// Sends the signal again and again until the call has returned; or until it was handled, and then makes the
// awaited thing happen. So whatever the timing, the call ends: a signal that came before it began is followed
// by another. Nothing of one round reaches into the next: the other thread waits for `answered`.
static void* helper(void* unused) {
  (void)unused;
  for (int last = 0;;) {
    const int now = asked;
    if (now < 0) return NULL;
    if (now == last || now % 4 == 0) {
      usleep(200);
      continue;
    }
    last = now;
    usleep(10000);
    if (now % 4 == only_signal) {
      while (asked == now) {
        pthread_kill(main_thread, SIGUSR1);
        usleep(10000);
      }
      answered = now;
      continue;
    }
    pthread_kill(main_thread, SIGUSR1);
    while (!handled) usleep(200);
    usleep(10000);
    word = 1;
    (void)!write(ends[1], "x", 1);
    syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
    answered = now;
  }
}

static void set(int flags) {
  struct sigaction a = {.sa_handler = handler, .sa_flags = flags};
  sigaction(SIGUSR1, &a, NULL);
}

static int round_number;
#define MEET(name, then, call)                               \
  do {                                                       \
    handled = 0;                                             \
    word = 0;                                                \
    asked = ++round_number * 4 + then;                       \
    errno = 0;                                               \
    long r = (call);                                         \
    int e = r < 0 ? errno : 0;                               \
    asked = round_number * 4;                                \
    while (answered != round_number * 4 + then) usleep(200); \
    printf("%s: %ld errno %d\n", name, r < 0 ? -1 : r, e);   \
  } while (0)

static void drain(void) {
  char c;
  struct pollfd p = {ends[0], POLLIN, 0};
  while (poll(&p, 1, 0) == 1) (void)!read(ends[0], &c, 1);
}

// Woken before it began is as good as woken while it waited.
static long futex_wait(const struct timespec* timeout) {
  const long r = syscall(SYS_futex, &word, FUTEX_WAIT, 0, timeout, NULL, 0);
  return r < 0 && errno == EAGAIN && word == 1 ? 0 : r;
}

static long left_ok;
static int sleep_for(int absolute) {
  struct timespec t = {20, 0}, left = {0, 0};
  if (absolute) {
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += 20;
  }
  int e = clock_nanosleep(CLOCK_MONOTONIC, absolute ? TIMER_ABSTIME : 0, &t, &left);
  left_ok = absolute ? left.tv_sec == 0 : left.tv_sec >= 10 && left.tv_sec < 20;
  errno = e;
  return e ? -1 : 0;
}
static int plain_sleep(void) {
  struct timespec t = {20, 0}, left = {0, 0};
  int r = nanosleep(&t, &left);
  left_ok = left.tv_sec >= 10 && left.tv_sec < 20;
  return r;
}
static int set_of_one(void) {
  fd_set s;
  FD_ZERO(&s);
  FD_SET(ends[0], &s);
  struct timeval t = {20, 0};
  int r = select(ends[0] + 1, &s, NULL, NULL, &t);
  left_ok = t.tv_sec >= 10 && t.tv_sec < 20;
  return r;
}

static void all(const char* title, int flags) {
  char c;
  int set_fd = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN}, found;
  epoll_ctl(set_fd, EPOLL_CTL_ADD, ends[0], &event);
  struct pollfd p = {ends[0], POLLIN, 0};
  struct timespec twenty = {20, 0};
  sigset_t none;
  sigemptyset(&none);
  printf("-- %s\n", title);
  set(flags);
  const int restarts = flags & SA_RESTART ? then_ready : only_signal;
  MEET("read", restarts, read(ends[0], &c, 1));
  drain();
  MEET("futex", restarts, futex_wait(NULL));
  drain();
  MEET("futex with timeout", only_signal, futex_wait(&twenty));
  MEET("poll", only_signal, poll(&p, 1, -1));
  MEET("poll with timeout", only_signal, poll(&p, 1, 20000));
  MEET("ppoll", only_signal, ppoll(&p, 1, &twenty, NULL));
  MEET("select", only_signal, set_of_one());
  printf("left %ld\n", left_ok);
  MEET("pselect", only_signal, pselect(0, NULL, NULL, NULL, &twenty, NULL));
  MEET("epoll_wait", only_signal, epoll_wait(set_fd, &found, 1, -1));
  MEET("epoll_wait with timeout", only_signal, epoll_wait(set_fd, &found, 1, 20000));
  MEET("epoll_pwait", only_signal, epoll_pwait(set_fd, &found, 1, -1, &none));
  MEET("nanosleep", only_signal, plain_sleep());
  printf("left %ld\n", left_ok);
  MEET("clock_nanosleep", only_signal, sleep_for(0));
  printf("left %ld\n", left_ok);
  MEET("clock_nanosleep absolute", only_signal, sleep_for(1));
  printf("left untouched %ld\n", left_ok);
  MEET("pause", only_signal, pause());
  MEET("sigsuspend", only_signal, sigsuspend(&none));
  sigset_t other;
  sigemptyset(&other);
  sigaddset(&other, SIGUSR2);
  MEET("sigtimedwait", only_signal, sigtimedwait(&other, NULL, &twenty));
  close(set_fd);
}

// The signal is let in only by the call's own mask; afterwards the thread's mask is back.
static void own_masks(void) {
  sigset_t blocked, none, now;
  sigemptyset(&none);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  struct timespec twenty = {20, 0}, zero = {0, 0};
  struct pollfd p = {ends[0], POLLIN, 0};
  set(0);
  handled = 0;
  raise(SIGUSR1);
  printf("blocked %d\n", handled);
  int r = ppoll(&p, 1, &twenty, &none);
  printf("ppoll %d errno %d handled %d\n", r, errno, handled);
  sigprocmask(SIG_BLOCK, NULL, &now);
  printf("still blocked %d\n", sigismember(&now, SIGUSR1));
  raise(SIGUSR1);
  r = pselect(0, NULL, NULL, NULL, &twenty, &none);
  printf("pselect %d errno %d handled %d\n", r, errno, handled);
  raise(SIGUSR1);
  r = sigsuspend(&none);
  printf("sigsuspend %d errno %d handled %d\n", r, errno, handled);
  // Ready at once: the signal stays blocked.
  (void)!write(ends[1], "x", 1);
  raise(SIGUSR1);
  r = ppoll(&p, 1, &zero, &blocked);
  printf("ready ppoll %d handled %d\n", r, handled);
  sigprocmask(SIG_UNBLOCK, &blocked, NULL);
  printf("unblocked, handled %d\n", handled);
  drain();
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  main_thread = pthread_self();
  (void)!pipe(ends);
  pthread_t t;
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &s, NULL);
  pthread_create(&t, NULL, helper, NULL);
  pthread_sigmask(SIG_UNBLOCK, &s, NULL);
  all("without SA_RESTART", 0);
  all("with SA_RESTART", SA_RESTART);
  own_masks();
  asked = -1;
  pthread_join(t, NULL);
  return 0;
}
