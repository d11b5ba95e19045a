// Programs that replace others: what outlives execve() and what does not. The program runs itself.
// exercises: execve execveat vfork fork wait4 rt_sigaction
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char self[] = "/proc/self/exe";

static void handler(int unused) {
  (void)unused;
}

static int show(int argc, char** argv, char** envp) {
  printf("program of %d:", argc);
  for (int i = 1; i < argc; ++i) printf(" [%s]", argv[i]);
  int variables = 0;
  for (char** e = envp; *e; ++e, ++variables) printf(" {%s}", *e);
  struct sigaction usr1, usr2;
  sigset_t blocked;
  sigaction(SIGUSR1, NULL, &usr1);
  sigaction(SIGUSR2, NULL, &usr2);
  sigprocmask(SIG_BLOCK, NULL, &blocked);
  printf(" handler %s, ignored %s, blocked %d, cloexec %d, kept %d, cwd %s, umask %o, tid %d\n",
         usr1.sa_handler == SIG_DFL ? "gone" : "kept", usr2.sa_handler == SIG_IGN ? "kept" : "gone",
         sigismember(&blocked, SIGHUP), fcntl(20, F_GETFD) >= 0, fcntl(21, F_GETFD) >= 0,
         getcwd((char[64]){0}, 64), umask(0), gettid() == getpid());
  fflush(stdout);
  return 5;
}

static int wait_for(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void prepare(void) {
  signal(SIGUSR1, handler);
  signal(SIGUSR2, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGHUP);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  dup3(0, 20, O_CLOEXEC);
  dup2(0, 21);
  umask(027);
}

static char* arguments[] = {"named", "show", "one", "", "two words", NULL};
static char* environment[] = {"A=1", "B=two words", NULL};

static void* from_thread(void* unused) {
  (void)unused;
  execve(self, arguments, environment);
  _exit(99);
}
static void* sleeper(void* unused) {
  (void)unused;
  for (;;) pause();
}

static void by_fork(void) {
  const pid_t pid = fork();
  if (pid == 0) {
    prepare();
    execve(self, arguments, environment);
    _exit(98);
  }
  printf("fork: %d\n", wait_for(pid));
}

static void by_vfork(void) {
  volatile int written = 0;
  const pid_t pid = vfork();
  if (pid == 0) {
    written = 1;
    execve(self, arguments, environment);
    _exit(98);
  }
  const int status = wait_for(pid);
  printf("vfork: the parent sees %d, %d\n", written, status);
}

static void vfork_that_exits(void) {
  volatile int written = 0;
  const pid_t pid = vfork();
  if (pid == 0) {
    written = 3;
    _exit(4);
  }
  const int status = wait_for(pid);
  printf("vfork without a program: %d, %d\n", written, status);
}

static void by_thread(void) {
  const pid_t pid = fork();
  if (pid == 0) {
    pthread_t t, other;
    pthread_create(&other, NULL, sleeper, NULL);
    pthread_create(&t, NULL, from_thread, NULL);
    sleeper(NULL);
  }
  printf("thread: %d\n", wait_for(pid));
}

static void by_spawn(void) {
  pid_t pid = 0;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, 1, 1);
  const int error = posix_spawn(&pid, self, &actions, NULL, arguments, environment);
  const int status = wait_for(pid);
  printf("spawn: %d, %d\n", error, status);
  printf("spawn of nothing: %d\n",
         posix_spawn(&pid, "/nonexistent/program", NULL, NULL, arguments, environment));
}

static void errors(void) {
  static char large[200 << 10];
  memset(large, 'x', sizeof large - 1);
  char* too_large[] = {"named", large, NULL};
  printf("missing: %d\n", execve("/nonexistent/program", arguments, environment) < 0 ? errno : 0);
  printf("empty: %d\n", execve("", arguments, environment) < 0 ? errno : 0);
  printf("folder: %d\n", execve("/", arguments, environment) < 0 ? errno : 0);
  printf("too large: %d\n", execve(self, too_large, environment) < 0 ? errno : 0);
  printf("bad pointer: %d\n", (int)syscall(SYS_execve, self, 16, environment) < 0 ? errno : 0);
  printf("bad flags: %d\n",
         (int)syscall(SYS_execveat, AT_FDCWD, self, arguments, environment, 0x10) < 0 ? errno : 0);
}

static void by_descriptor(void) {
  const pid_t pid = fork();
  if (pid == 0) {
    syscall(SYS_execveat, AT_FDCWD, self, arguments, environment, 0);
    _exit(97);
  }
  printf("execveat: %d\n", wait_for(pid));
}

int main(int argc, char** argv, char** envp) {
  if (argc > 1 && strcmp(argv[1], "show") == 0) return show(argc, argv, envp);
  setvbuf(stdout, NULL, _IONBF, 0);
  chdir("/");
  by_fork();
  by_vfork();
  vfork_that_exits();
  by_thread();
  by_spawn();
  by_descriptor();
  errors();
  return 0;
}
