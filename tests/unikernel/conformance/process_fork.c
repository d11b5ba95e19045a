// Children by fork(): what they have of their parent, how they end, and who hears of it.
// exercises: fork wait4 waitid getppid exit_group pipe2 kill
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int private_value = 1;

static pid_t child(void (*body)(void)) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    body();
    fflush(stdout);
    _exit(0);
  }
  return pid;
}

static void show_status(const char* what, int status) {
  if (WIFEXITED(status)) printf("%s: exited %d\n", what, WEXITSTATUS(status));
  if (WIFSIGNALED(status)) printf("%s: signal %d\n", what, WTERMSIG(status));
}

static void exit_seven(void) {
  _exit(7);
}
static void exit_large(void) {
  _exit(0x1234);
}
static void die_by_kill(void) {
  kill(getpid(), SIGKILL), pause();
}
static void die_by_segv(void) {
  *(volatile int*)16 = 1;
}
static void die_by_abort(void) {
  abort();
}
static void change_memory(void) {
  private_value = 2;
  char* heap = malloc(1 << 20);
  memset(heap, 1, 1 << 20);
  printf("child sees %d\n", private_value);
}
static void nested(void) {
  const pid_t grandchild = fork();
  if (grandchild == 0) _exit(getppid() > 1 ? 11 : 12);
  int status = 0;
  waitpid(grandchild, &status, 0);
  _exit(WEXITSTATUS(status));
}

static void endings(void) {
  static const struct {
    const char* name;
    void (*body)(void);
  } all[] = {{"seven", exit_seven}, {"large", exit_large},   {"kill", die_by_kill},
             {"segv", die_by_segv}, {"abort", die_by_abort}, {"nested", nested}};
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
    int status = 0;
    const pid_t pid = child(all[i].body);
    printf("own: %d\n", waitpid(pid, &status, 0) == pid);
    show_status(all[i].name, status);
  }
}

static void memory_is_apart(void) {
  int status = 0;
  waitpid(child(change_memory), &status, 0);
  printf("parent sees %d\n", private_value);
}

static int shared_fd;
static void read_some(void) {
  char two[3] = "";
  printf("child reads %zd %s\n", read(shared_fd, two, 2), two);
}
static void position_is_shared(void) {
  shared_fd = memfd_create("position", 0);
  (void)!write(shared_fd, "abcdef", 6);
  lseek(shared_fd, 0, SEEK_SET);
  waitpid(child(read_some), NULL, 0);
  char two[3] = "";
  printf("parent reads %zd %s\n", read(shared_fd, two, 2), two);
  close(shared_fd);
}

static int ends[2];
static void write_pipe(void) {
  close(ends[0]);
  for (int i = 0; i < 1000; ++i) (void)!write(ends[1], "0123456789", 10);
}
static void pipe_ends_with_writer(void) {
  (void)!pipe2(ends, O_CLOEXEC);
  const pid_t pid = child(write_pipe);
  close(ends[1]);
  char buffer[512];
  long total = 0;
  for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;) total += n;
  printf("through the pipe: %ld\n", total);
  close(ends[0]);
  waitpid(pid, NULL, 0);
}

static void options(void) {
  int status = 0;
  siginfo_t info = {0};
  printf("no child: %d\n", waitpid(-1, &status, 0) < 0 ? errno : 0);
  (void)!pipe2(ends, O_CLOEXEC);
  const pid_t pid = fork();
  if (pid == 0) {
    char c;
    close(ends[1]);
    (void)!read(ends[0], &c, 1);
    _exit(3);
  }
  printf("not yet: %d\n", waitpid(-1, &status, WNOHANG));
  printf("not yet: %d pid %d\n", waitid(P_ALL, 0, &info, WEXITED | WNOHANG), info.si_pid);
  printf("bad options: %d\n", waitpid(pid, &status, 0x40000) < 0 ? errno : 0);
  printf("nobody's: %d\n", waitpid(getpid(), &status, 0) < 0 ? errno : 0);
  printf("alive: %d\n", kill(pid, 0));
  close(ends[1]);
  printf("look: %d", waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
  printf(" own %d code %d status %d signo %d\n", info.si_pid == pid, info.si_code, info.si_status,
         info.si_signo);
  printf("zombie: %d\n", kill(pid, 0));
  struct rusage used;
  printf("take: %d\n", wait4(-1, &status, 0, &used) == pid);
  show_status("taken", status);
  printf("gone: %d\n", kill(pid, 0) < 0 ? errno : 0);
  close(ends[0]);
}

static void many(void) {
  int sum = 0, status = 0;
  for (int i = 0; i < 12; ++i) {
    if (fork() == 0) _exit(i);
  }
  while (wait(&status) > 0) sum += WEXITSTATUS(status);
  printf("sum of many: %d, then %d\n", sum, errno);
}

// The middle process ends first: its child gets another parent and nobody here may wait for it.
static void orphan(void) {
  (void)!pipe2(ends, O_CLOEXEC);
  if (fork() == 0) {
    const pid_t middle = getpid();
    if (fork() == 0) {
      while (getppid() == middle) usleep(1000);
      (void)!write(ends[1], "o", 1);
      _exit(9);
    }
    _exit(0);
  }
  int status = 0;
  wait(&status);
  char c = 0;
  printf("orphan told: %zd", read(ends[0], &c, 1));
  printf(" %c\n", c);
  printf("not mine: %d\n", waitpid(-1, &status, WNOHANG) < 0 ? errno : 0);
  close(ends[0]);
  close(ends[1]);
}

int main(void) {
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  endings();
  memory_is_apart();
  position_is_shared();
  pipe_ends_with_writer();
  options();
  many();
  orphan();
  return 0;
}
