// What a system call costs, as a program sees it: calls ROUNDS. Prints one line "NAME nanoseconds" per round
// and call; clocks are read in user space.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { calls_per_round = 200 };

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

#define MEASURE(name, per_step, step)                                         \
  do {                                                                        \
    const long long from = now();                                             \
    for (int i = 0; i < calls_per_round; i++) step;                           \
    printf("%s %lld\n", name, (now() - from) / (calls_per_round * per_step)); \
  } while (0)

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 20;
  int ends[2], word = 0;
  char byte = 'x';
  if (pipe(ends) != 0) return 1;
  for (int r = 0; r < rounds; r++) {
    MEASURE("getpid", 1, syscall(SYS_getpid));
    MEASURE("pipe", 2, if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1) return 1);
    MEASURE("futex_wake", 1, syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    MEASURE("clock", 1, now());
  }
  return 0;
}
