// Processes that misbehave: bombs, floods and children that attack. argv[1] says which.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

// Forks until it cannot any more, keeps the children, and says how many there were.
static int bomb(void) {
  int made = 0;
  for (; made < 200; ++made) {
    const pid_t pid = fork();
    if (pid < 0) break;
    if (pid == 0) {
      for (;;) pause();
    }
  }
  printf("made %d\nerrno %d\n", made, errno);
  fflush(stdout);
  return 0;
}

// Every process forks as often as it can.
static int tree_bomb(void) {
  for (int i = 0; i < 100000; ++i) (void)!fork();
  return 0;
}

// Children that end and are not waited for.
static int zombies(void) {
  int made = 0;
  for (; made < 200; ++made) {
    const pid_t pid = fork();
    if (pid < 0) break;
    if (pid == 0) _exit(0);
  }
  printf("made %d\n", made);
  int taken = 0;
  while (wait(NULL) > 0) ++taken;
  printf("taken %d\n", taken);
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  printf("again %d\n", pid > 0);
  return 0;
}

static int exec_again(const char* rest) {
  const int left = atoi(rest);
  if (left == 0) return printf("through\n"), 0;
  char next[16];
  snprintf(next, sizeof next, "%d", left - 1);
  execl("/proc/self/exe", "processes", "exec", next, NULL);
  return 1;
}

static int exec_forever(void) {
  execl("/proc/self/exe", "processes", "exec_forever", NULL);
  return 1;
}

static int spin_in_children(void) {
  for (int i = 0; i < 3; ++i) {
    if (fork() == 0) break;
  }
  for (volatile long i = 0;; ++i) {
  }
}

static int memory_in_children(void) {
  for (int i = 0; i < 4; ++i) {
    if (fork() != 0) continue;
    char* p = mmap(NULL, 24 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 1, 24 << 20);
    pause();
  }
  while (wait(NULL) > 0) {
  }
  return 0;
}

// Each child opens what it may.
static int descriptors_in_children(void) {
  int ends[2], total = 0;
  (void)!pipe(ends);
  for (int i = 0; i < 8; ++i) {
    if (fork() != 0) continue;
    int opened = 0;
    while (open("/dev/null", O_RDONLY) >= 0) ++opened;
    (void)!write(ends[1], &opened, sizeof opened);
    pause();
  }
  for (int i = 0; i < 8; ++i) {
    int one = 0;
    (void)!read(ends[0], &one, sizeof one);
    total += one;
  }
  printf("opened %d\n", total);
  return 0;
}

// Port output: what a guest may not do, done by a child.
static int attack(void) {
  const pid_t pid = fork();
  if (pid == 0) {
    __asm__ volatile("outb %%al, $0x80" ::"a"(0));
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  printf("signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  return 0;
}

static int run_file(const char* path) {
  const pid_t pid = fork();
  if (pid == 0) {
    execl(path, "it", NULL);
    _exit(100 + (errno == EACCES) + 2 * (errno == ENOENT) + 4 * (errno == ENOEXEC));
  }
  int status = 0;
  waitpid(pid, &status, 0);
  printf("status %d\n", WEXITSTATUS(status));
  return 0;
}

// Writes the program `folder`/source (this one) as another file with another mark each time, as fast as it
// can, and runs that: it must say the mark that was written last.
static volatile const char mark[] = "MARK:0123456789:A";
static int own_mark(void) {
  return mark[sizeof mark - 2];
}
static int rewrite(const char* folder) {
  static char bytes[4 << 20];
  int wrong = 0;
  char source[256], path[256];
  snprintf(source, sizeof source, "%s/source", folder);
  snprintf(path, sizeof path, "%s/program", folder);
  const int self = open(source, O_RDONLY);
  if (self < 0) return 3;
  const ssize_t size = read(self, bytes, sizeof bytes);
  char key[] = "?ARK:0123456789:";  // else the search would find itself
  key[0] = 'M';
  char* at = memmem(bytes, (size_t)size, key, 16);
  if (!at) return 4;
  for (int i = 0; i < 20; ++i) {
    at[16] = (char)('A' + i);
    const int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0755);
    if (fd < 0 || write(fd, bytes, (size_t)size) != size || close(fd) != 0) return 5;
    const pid_t pid = fork();
    if (pid == 0) {
      execl(path, "it", "mark", NULL);
      _exit(1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    wrong += WEXITSTATUS(status) != 'A' + i;
  }
  printf("wrong %d\n", wrong);
  return 0;
}

// The first process ends; its children must not outlive it.
static int leave_children(void) {
  for (int i = 0; i < 3; ++i) {
    if (fork() == 0) {
      for (volatile long n = 0;; ++n) {
      }
    }
  }
  return 3;
}

static int churn(const char* times) {
  for (int i = atoi(times); i > 0; --i) {
    const pid_t pid = i % 2 ? fork() : vfork();
    if (pid == 0) {
      if (i % 4 < 2) _exit(0);
      execl("/proc/self/exe", "processes", "exec", "0", NULL);
      _exit(1);
    }
    if (pid < 0) return 2;
    waitpid(pid, NULL, 0);
  }
  return 0;
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  const char* rest = argc > 2 ? argv[2] : "0";
  if (!strcmp(what, "bomb")) return bomb();
  if (!strcmp(what, "tree_bomb")) return tree_bomb();
  if (!strcmp(what, "zombies")) return zombies();
  if (!strcmp(what, "exec")) return exec_again(rest);
  if (!strcmp(what, "exec_forever")) return exec_forever();
  if (!strcmp(what, "spin")) return spin_in_children();
  if (!strcmp(what, "memory")) return memory_in_children();
  if (!strcmp(what, "descriptors")) return descriptors_in_children();
  if (!strcmp(what, "attack")) return attack();
  if (!strcmp(what, "run")) return run_file(rest);
  if (!strcmp(what, "mark")) return own_mark();
  if (!strcmp(what, "rewrite")) return rewrite(rest);
  if (!strcmp(what, "leave")) return leave_children();
  if (!strcmp(what, "churn")) return churn(rest);
  return 64;
}
