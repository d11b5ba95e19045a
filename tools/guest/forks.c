// What processes cost, as a program sees it: forks ROUNDS. Prints one line "NAME nanoseconds" per round and
// way; `forks nothing` ends at once: it is what the others run.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void run_nothing(void) {
  execl("/proc/self/exe", "forks", "nothing", NULL);
  _exit(1);
}

static int ended_well(pid_t pid) {
  int status = 0;
  return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int by_fork(const char* name, int runs) {
  const long long from = now();
  const pid_t pid = fork();
  if (pid == 0) {
    if (runs) run_nothing();
    _exit(0);
  }
  if (!ended_well(pid)) return 1;
  printf("%s %lld\n", name, now() - from);
  return 0;
}

static int by_vfork(void) {
  const long long from = now();
  const pid_t pid = vfork();
  if (pid == 0) {
    execl("/proc/self/exe", "forks", "nothing", NULL);
    _exit(1);
  }
  if (!ended_well(pid)) return 1;
  printf("vfork.program %lld\n", now() - from);
  return 0;
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "nothing") == 0) return 0;
  const int rounds = argc > 1 ? atoi(argv[1]) : 20;
  setvbuf(stdout, NULL, _IOFBF, 1 << 20);
  for (int i = 0; i < rounds; ++i) {
    if (by_fork("fork.exit", 0) || by_fork("fork.program", 1) || by_vfork()) return 1;
  }
  const size_t size = 16 << 20;
  char* heap = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (heap == MAP_FAILED) return 1;
  memset(heap, 1, size);
  for (int i = 0; i < rounds; ++i) {
    if (by_fork("fork.16MiB.exit", 0)) return 1;
  }
  return 0;
}
