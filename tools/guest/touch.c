// How fast memory is touched for the first time: touch GIB [huge]. Prints "rate GIB_PER_SECOND". "huge" asks
// for huge pages; without it the system's setting holds.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char** argv) {
  const size_t gib = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
  const size_t size = gib << 30;
  volatile char* const memory =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return 1;
  if (argc > 2 && madvise((void*)memory, size, MADV_HUGEPAGE) != 0) return 2;
  const double begin = now();
  for (size_t at = 0; at < size; at += 4096) memory[at] = 1;
  printf("rate %.3f\n", (double)gib / (now() - begin));
  return 0;
}
