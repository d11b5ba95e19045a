// Shared mappings of files under a host that takes part: shared_maps MODE [FILE] [NUMBER]
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { page = 4096 };

static sigjmp_buf back;
static void on_signal(int signal, siginfo_t* info, void* context) {
  (void)context;
  printf("signal %d code %d\n", signal, info->si_code);
  siglongjmp(back, 1);
}
static void handle(int signal) {
  struct sigaction a = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  sigaction(signal, &a, NULL);
}

static long futex(volatile unsigned* word, int op, unsigned value) {
  const struct timespec patience = {.tv_sec = 60};
  return syscall(SYS_futex, word, op, value, op == FUTEX_WAIT ? &patience : NULL, NULL, 0);
}

static char* map(const char* name, size_t size, int flags, int protection) {
  const int fd = open(name, flags);
  if (fd < 0) {
    printf("open %d\n", -errno);
    exit(3);
  }
  char* at = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
  close(fd);
  if (at == MAP_FAILED) printf("mmap %d\n", -errno);
  return at;
}

// The host counts to odd numbers, this program to even ones.
static int pong(const char* name, unsigned rounds) {
  volatile unsigned* word = (volatile unsigned*)map(name, page, O_RDWR, PROT_READ | PROT_WRITE);
  for (unsigned i = 0; i < rounds; ++i) {
    while (*word == 2 * i) {
      if (futex(word, FUTEX_WAIT, 2 * i) != 0 && errno == ETIMEDOUT) return 4;
    }
    *word = 2 * i + 2;
    futex(word, FUTEX_WAKE, 1);
  }
  printf("last %u\n", *word);
  return 0;
}

// The host cuts the file off behind the first page. System calls notice first, then a load.
static int lost(const char* name, int with_handler) {
  char* at = map(name, 2 * page, O_RDWR, PROT_READ | PROT_WRITE);
  int pipe_ends[2];
  char byte;
  if (pipe(pipe_ends) != 0) return 5;
  at[page] = 'x';
  *(volatile unsigned*)at = 1;
  futex((volatile unsigned*)at, FUTEX_WAKE, 1);
  long r = 1;
  while (r == 1) {
    r = write(pipe_ends[1], at + page, 1);
    if (r == 1) r = read(pipe_ends[0], &byte, 1);
  }
  printf("write %d\n", -errno);
  struct stat* st = (struct stat*)(at + page);
  printf("fstat %d\n", fstat(1, st) ? -errno : 0);
  printf("open %d\n", open(at + page, O_RDONLY) < 0 ? -errno : 0);
  printf("nanosleep %d\n", nanosleep((const struct timespec*)(at + page), NULL) ? -errno : 0);
  printf("getrandom %ld\n", syscall(SYS_getrandom, at + page, 8, 0) < 0 ? -(long)errno : 0);
  printf("futex %d\n", futex((volatile unsigned*)(at + page), FUTEX_WAIT, 0) ? -errno : 0);
  printf("sigaction %ld\n", syscall(SYS_rt_sigaction, SIGUSR1, at + page, NULL, 8) ? -(long)errno : 0);
  fflush(stdout);
  if (with_handler) handle(SIGBUS);
  if (sigsetjmp(back, 1) == 0) printf("%d\n", at[page]);
  printf("first page %u\n", *(unsigned*)at);
  return 0;
}

// How many pages take a store.
static int grab(const char* name, unsigned pages) {
  handle(SIGBUS);
  volatile char* at = map(name, (size_t)pages * page, O_RDWR, PROT_READ | PROT_WRITE);
  static volatile unsigned done;
  if (sigsetjmp(back, 1) == 0)
    for (; done < pages; ++done) at[(size_t)done * page] = 1;
  printf("pages %u\n", done);
  return 0;
}

static int fill(unsigned mib) {
  const int fd = memfd_create("fill", 0);
  const size_t size = (size_t)mib << 20;
  if (ftruncate(fd, (off_t)size) != 0) return 5;
  volatile char* at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  for (size_t i = 0; i < size; i += page) at[i] = 1;
  puts("filled");
  return 0;
}

// Maps, touches and unmaps one memory file after the other, each of which stays open.
static int hoard(unsigned files) {
  for (unsigned n = 0; n < files; ++n) {
    const int fd = memfd_create("hoard", 0);
    if (ftruncate(fd, 1 << 20) != 0) return 5;
    volatile char* at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) break;
    for (size_t i = 0; i < 1 << 20; i += page) at[i] = 1;
    munmap((void*)at, 1 << 20);
    printf("files %u\n", n + 1);
    fflush(stdout);
  }
  return 0;
}

static int change(const char* name) {
  handle(SIGSEGV);
  char* at = map(name, page, O_RDWR, PROT_READ | PROT_WRITE);
  at = map(name, page, O_RDONLY, PROT_READ | PROT_WRITE);
  at = map(name, page, O_RDONLY, PROT_READ);
  printf("mprotect %d\n", mprotect(at, page, PROT_READ | PROT_WRITE) ? -errno : 0);
  if (sigsetjmp(back, 1) == 0) *at = '!';
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  const unsigned number = argc > 3 ? (unsigned)atoi(argv[3]) : 0;
  if (!strcmp(argv[1], "pong")) return pong(argv[2], number);
  if (!strcmp(argv[1], "lost")) return lost(argv[2], 1);
  if (!strcmp(argv[1], "die")) return lost(argv[2], 0);
  if (!strcmp(argv[1], "grab")) return grab(argv[2], number);
  if (!strcmp(argv[1], "fill")) return fill((unsigned)atoi(argv[2]));
  if (!strcmp(argv[1], "hoard")) return hoard((unsigned)atoi(argv[2]));
  if (!strcmp(argv[1], "change")) return change(argv[2]);
  return 2;
}
