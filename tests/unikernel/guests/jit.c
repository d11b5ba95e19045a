// Makes code at run time, as a JIT compiler does: in writable and executable memory, and by turns.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

typedef int (*function)(void);

// mov $value, %eax; ret
static void emit(unsigned char* at, int value) {
  at[0] = 0xb8;
  memcpy(at + 1, &value, 4);
  at[5] = 0xc3;
}

int main(void) {
  enum { size = 65536, rounds = 200 };
  unsigned char* both =
      mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (both == MAP_FAILED) {
    printf("writable and executable: %d\n", -errno);
  } else {
    long sum = 0;
    for (int i = 0; i < rounds; i++) {
      unsigned char* at = both + i * 64 % 8192;
      emit(at, i);
      sum += ((function)(void*)at)();
    }
    printf("writable and executable: %ld\n", sum);
  }
  unsigned char* turns = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  long sum = 0;
  for (int i = 0; i < rounds; i++) {
    if (mprotect(turns, size, PROT_READ | PROT_WRITE) != 0) return 1;
    emit(turns, i);
    if (mprotect(turns, size, PROT_READ | PROT_EXEC) != 0) {
      printf("by turns: %d\n", -errno);
      return 0;
    }
    sum += ((function)(void*)turns)();
  }
  printf("by turns: %ld\n", sum);
  return 0;
}
