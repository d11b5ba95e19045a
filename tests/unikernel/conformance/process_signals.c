// Signals between processes, groups and sessions, stops, and descriptors of processes.
// exercises: kill setpgid getpgid setsid getsid tgkill wait4 waitid pidfd_open pidfd_send_signal prctl rt_sigqueueinfo
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static void show(const char* what, int status) {
  if (WIFEXITED(status)) printf("%s: exited %d\n", what, WEXITSTATUS(status));
  if (WIFSIGNALED(status)) printf("%s: signal %d\n", what, WTERMSIG(status));
  if (WIFSTOPPED(status)) printf("%s: stopped %d\n", what, WSTOPSIG(status));
  if (WIFCONTINUED(status)) printf("%s: continued\n", what);
}

static pid_t sleeper(void) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    for (;;) pause();
  }
  return pid;
}

static pid_t spinner(void) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    for (volatile long i = 0;; ++i) {
    }
  }
  return pid;
}

static void kills(void) {
  int status = 0;
  const pid_t blocked = sleeper(), busy = spinner();
  kill(blocked, SIGTERM);
  waitpid(blocked, &status, 0);
  show("asleep", status);
  kill(busy, SIGKILL);
  waitpid(busy, &status, 0);
  show("busy", status);
}

static volatile sig_atomic_t got, from_child;
static siginfo_t last;
static void on_signal(int signal, siginfo_t* info, void* unused) {
  (void)unused;
  got = signal;
  last = *info;
}
static void handle(int signal, int flags) {
  struct sigaction a = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags};
  sigaction(signal, &a, NULL);
}

static void child_signal(void) {
  handle(SIGCHLD, 0);
  sigset_t chld, old;
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  sigprocmask(SIG_BLOCK, &chld, &old);
  const pid_t pid = fork();
  if (pid == 0) _exit(6);
  while (!got) sigsuspend(&old);
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("SIGCHLD: code %d own %d status %d\n", last.si_code, last.si_pid == pid, last.si_status);
  waitpid(pid, NULL, 0);
  got = 0;
}

static void talk_to_parent(void) {
  handle(SIGUSR1, 0);
  signal(SIGCHLD, SIG_DFL);
  sigset_t usr1, old;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  sigprocmask(SIG_BLOCK, &usr1, &old);
  const pid_t pid = fork();
  if (pid == 0) {
    sigqueue(getppid(), SIGUSR1, (union sigval){.sival_int = 42});
    _exit(0);
  }
  while (!got) sigsuspend(&old);
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("queued: value %d own %d\n", last.si_value.sival_int, last.si_pid == pid);
  waitpid(pid, NULL, 0);
}

static void ignored_children(void) {
  signal(SIGCHLD, SIG_IGN);
  const pid_t pid = fork();
  if (pid == 0) _exit(1);
  const int r = waitpid(pid, NULL, 0);
  printf("ignored: %d %d\n", r, r < 0 ? errno : 0);
  signal(SIGCHLD, SIG_DFL);
}

static void groups(void) {
  int status = 0;
  const pid_t first = sleeper();
  printf("inherited: %d\n", getpgid(first) == getpgrp());
  printf("new group: %d, %d\n", setpgid(first, first), getpgid(first) == first);
  const pid_t second = sleeper();
  printf("joined: %d, %d\n", setpgid(second, first), getpgid(second) == first);
  printf("no such group: %d\n", setpgid(second, 999999) < 0 ? errno : 0);
  printf("not mine: %d\n", setpgid(1, 1) < 0 ? errno : 0);
  printf("to the group: %d\n", kill(-first, SIGTERM));
  int sum = 0;
  for (int i = 0; i < 2; ++i) {
    waitpid(-first, &status, 0);
    sum += WTERMSIG(status);
  }
  printf("both: %d, then %d\n", sum, waitpid(-first, &status, 0) < 0 ? errno : 0);
  printf("group gone: %d\n", kill(-first, 0) < 0 ? errno : 0);
}

static void sessions(void) {
  int status = 0;
  const pid_t pid = fork();
  if (pid == 0) {
    const int led = setsid() == getpid() && getsid(0) == getpid() && getpgrp() == getpid();
    const int again = setsid() < 0 ? errno : 0;
    _exit(led * 100 + again);
  }
  waitpid(pid, &status, 0);
  show("session", status);
}

static void stops(void) {
  int status = 0;
  const pid_t pid = spinner();
  kill(pid, SIGSTOP);
  printf("%d ", waitpid(pid, &status, WUNTRACED) == pid);
  show("stop", status);
  kill(pid, SIGCONT);
  printf("%d ", waitpid(pid, &status, WCONTINUED) == pid);
  show("continue", status);
  kill(pid, SIGSTOP);
  siginfo_t info = {0};
  waitid(P_PID, (id_t)pid, &info, WSTOPPED);
  printf("stopped again: code %d status %d\n", info.si_code, info.si_status);
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  show("killed while stopped", status);
}

static void descriptors(void) {
  const pid_t pid = sleeper();
  const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  struct pollfd p = {.fd = fd, .events = POLLIN};
  printf("alive: %d\n", poll(&p, 1, 0));
  printf("sent: %ld\n", syscall(SYS_pidfd_send_signal, fd, SIGINT, NULL, 0));
  printf("ended: %d\n", poll(&p, 1, 10000));
  siginfo_t info = {0};
  printf("waited: %d", waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
  printf(" own %d code %d status %d\n", info.si_pid == pid, info.si_code, info.si_status);
  printf("gone: %d\n", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) < 0 ? errno : 0);
  printf("no such: %d\n", syscall(SYS_pidfd_open, pid, 0) < 0 ? errno : 0);
  close(fd);
}

static void parent_dies(void) {
  int ends[2];
  (void)!pipe2(ends, O_CLOEXEC);
  fflush(stdout);
  const pid_t middle = fork();
  if (middle == 0) {
    if (fork() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      (void)!write(ends[1], "r", 1);
      for (;;) pause();
    }
    char c;
    (void)!read(ends[0], &c, 1);
    _exit(0);
  }
  close(ends[1]);
  waitpid(middle, NULL, 0);
  char c;
  printf("its pipe ends: %zd\n", read(ends[0], &c, 1));
  close(ends[0]);
}

static void forged(void) {
  const pid_t pid = sleeper();
  siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_USER};
  printf("forged: %d\n", syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &info) < 0 ? errno : 0);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

int main(void) {
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  kills();
  child_signal();
  talk_to_parent();
  ignored_children();
  groups();
  sessions();
  stops();
  descriptors();
  parent_dies();
  forged();
  return 0;
}
