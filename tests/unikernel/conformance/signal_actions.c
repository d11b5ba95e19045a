// Actions, masks, pending sets and the order of delivery.
// exercises: rt_sigaction rt_sigprocmask rt_sigpending rt_sigreturn kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void show(const char* what, long r) {
  printf("%s %ld\n", what, r < 0 ? -(long)errno : r);
}

static int depth, more;
static void nested(int signal) {
  printf("enter %d depth %d\n", signal, ++depth);
  if (signal == SIGUSR1 && more-- > 0) raise(SIGUSR1), raise(SIGUSR2);
  printf("leave %d depth %d\n", signal, depth--);
}

static void informed(int signal, siginfo_t* info, void* context) {
  printf("info %d %d code %d own pid %d value %d context %d\n", signal, info->si_signo, info->si_code,
         info->si_pid == getpid(), info->si_code == SI_QUEUE ? info->si_value.sival_int : 0, context != NULL);
}

static void set(int signal, void (*handler)(int), int flags, int also_blocked) {
  struct sigaction a = {.sa_handler = handler, .sa_flags = flags};
  sigemptyset(&a.sa_mask);
  if (also_blocked) sigaddset(&a.sa_mask, also_blocked);
  show("sigaction", sigaction(signal, &a, NULL));
}

static void masks(void) {
  sigset_t blocked, old, pending;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigaddset(&blocked, SIGRTMIN + 1);
  sigaddset(&blocked, SIGRTMIN);
  sigaddset(&blocked, SIGKILL);
  show("block", sigprocmask(SIG_BLOCK, &blocked, NULL));
  sigprocmask(SIG_BLOCK, NULL, &old);
  show("kill is blocked", sigismember(&old, SIGKILL));
  struct sigaction a = {.sa_sigaction = informed, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &a, NULL);
  sigaction(SIGRTMIN, &a, NULL);
  sigaction(SIGRTMIN + 1, &a, NULL);
  for (int i = 1; i <= 3; i++) sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 10 + i});
  for (int i = 1; i <= 3; i++) pthread_sigqueue(pthread_self(), SIGRTMIN, (union sigval){.sival_int = i});
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR1);
  raise(SIGUSR1);
  sigpending(&pending);
  printf("pending %d %d %d %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2),
         sigismember(&pending, SIGRTMIN), sigismember(&pending, SIGRTMIN + 1));
  show("unblock", sigprocmask(SIG_SETMASK, &(sigset_t){0}, NULL));
  sigpending(&pending);
  show("still pending", sigismember(&pending, SIGUSR1));
}

static void ignored(void) {
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, SIGUSR2);
  sigprocmask(SIG_BLOCK, &s, NULL);
  raise(SIGUSR2);
  signal(SIGUSR2, SIG_IGN);  // forgets the one that is pending
  signal(SIGUSR2, nested);
  sigprocmask(SIG_UNBLOCK, &s, NULL);
  puts("forgotten");
  signal(SIGUSR2, SIG_IGN);
  raise(SIGUSR2);
  raise(SIGCHLD);
  raise(SIGURG);
  raise(SIGWINCH);
  raise(SIGCONT);
  puts("ignored");
}

static void errors(void) {
  struct sigaction a = {.sa_handler = nested};
  show("sigaction KILL", sigaction(SIGKILL, &a, NULL));
  show("sigaction 0", syscall(SYS_rt_sigaction, 0, NULL, NULL, 8));
  show("sigaction 65", syscall(SYS_rt_sigaction, 65, NULL, NULL, 8));
  show("sigaction size", syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
  show("sigaction EFAULT", syscall(SYS_rt_sigaction, SIGUSR1, (void*)8, NULL, 8));
  show("procmask how", syscall(SYS_rt_sigprocmask, 7, &a.sa_mask, NULL, 8));
  show("procmask size", syscall(SYS_rt_sigprocmask, SIG_BLOCK, &a.sa_mask, NULL, 16));
  show("kill nobody", kill(99999999, SIGUSR1));
  show("kill bad signal", kill(getpid(), 65));
  show("kill 0", kill(getpid(), 0));
  show("tgkill nobody", syscall(SYS_tgkill, getpid(), 99999999, SIGUSR1));
  show("tgkill bad", syscall(SYS_tgkill, -1, gettid(), SIGUSR1));
  show("tkill bad", syscall(SYS_tkill, 0, SIGUSR1));
  show("tgkill 0", syscall(SYS_tgkill, getpid(), gettid(), 0));
  show("pending size", syscall(SYS_rt_sigpending, &a.sa_mask, 9));
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  set(SIGUSR1, nested, 0, SIGUSR2);
  set(SIGUSR2, nested, 0, 0);
  more = 2;
  raise(SIGUSR1);
  more = 2;
  set(SIGUSR1, nested, SA_NODEFER, SIGUSR2);
  raise(SIGUSR1);
  set(SIGUSR1, nested, (int)SA_RESETHAND, 0);
  raise(SIGUSR1);
  struct sigaction now;
  sigaction(SIGUSR1, NULL, &now);
  show("reset to default", now.sa_handler == SIG_DFL);
  masks();
  ignored();
  errors();
  return 0;
}
