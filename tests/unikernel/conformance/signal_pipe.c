// Writing where nobody reads.
// exercises: write writev pipe2 rt_sigaction rt_sigprocmask rt_sigtimedwait
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile int hits;
static void handler(int signal) {
  hits += signal == SIGPIPE;
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  int ends[2];
  (void)!pipe(ends);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  printf("ignored: %zd %d\n", write(ends[1], "x", 1), errno);
  signal(SIGPIPE, handler);
  struct iovec v[2] = {{"a", 1}, {"b", 1}};
  const ssize_t n = writev(ends[1], v, 2);
  printf("handled: %zd %d hits %d\n", n, errno, hits);
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, SIGPIPE);
  sigprocmask(SIG_BLOCK, &s, NULL);
  const ssize_t m = write(ends[1], "x", 1);
  printf("blocked: %zd %d hits %d\n", m, errno, hits);
  siginfo_t i;
  struct timespec none = {0, 0};
  printf("waits: %d to the thread itself %d\n", sigtimedwait(&s, &i, &none), i.si_pid == getpid());
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_UNBLOCK, &s, NULL);
  (void)!write(ends[1], "x", 1);
  puts("not reached");
  return 0;
}
