// Older and newer forms of calls, and those that keep something for a thread.
// exercises: pipe epoll_create epoll_pwait2 eventfd getrandom arch_prctl set_robust_list faccessat2 statfs fstatfs exit
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

static int failed(long r) {
  return r < 0 ? errno : 0;
}

static void pipes_and_events(void) {
  int ends[2];
  char c = 0;
  printf("pipe %d\n", (int)syscall(SYS_pipe, ends));
  printf("write %zd", write(ends[1], "x", 1));
  printf(" read %zd", read(ends[0], &c, 1));
  printf(" %c\n", c);
  printf("flags %d %d\n", fcntl(ends[0], F_GETFD), fcntl(ends[0], F_GETFL));
  printf("to nowhere %d\n", failed(syscall(SYS_pipe, 1)));
  const int event = syscall(SYS_eventfd, 3);
  uint64_t value = 0;
  printf("eventfd %zd", read(event, &value, 8));
  printf(" %lu\n", value);
  printf("epoll_create(0) %d\n", failed(syscall(SYS_epoll_create, 0)));
  const int set = syscall(SYS_epoll_create, 1);
  struct epoll_event e = {.events = EPOLLIN, .data.u32 = 7}, got[2];
  printf("add %d\n", epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &e));
  struct timespec soon = {0, 1000000}, wrong = {0, 2000000000};
  printf("epoll_pwait2 times out %d\n", (int)syscall(SYS_epoll_pwait2, set, got, 2, &soon, NULL, 8));
  if (write(ends[1], "y", 1) != 1) return;
  printf("epoll_pwait2 %d", (int)syscall(SYS_epoll_pwait2, set, got, 2, NULL, NULL, 8));
  printf(" %u\n", got[0].data.u32);
  printf("wrong time %d\n", failed(syscall(SYS_epoll_pwait2, set, got, 2, &wrong, NULL, 8)));
}

static void randomness(void) {
  unsigned char a[32] = {0}, b[32] = {0};
  printf("getrandom %zd", getrandom(a, 32, 0));
  printf(" %zd", getrandom(b, 32, GRND_NONBLOCK));
  printf(" differ %d\n", memcmp(a, b, 32) != 0);
  printf("nothing %zd, unknown flags %d\n", getrandom(a, 0, 0), failed(getrandom(a, 1, 0x100)));
  printf("both %d\n", failed(getrandom(a, 1, GRND_RANDOM | 4)));
  printf("to nowhere %d\n", failed(syscall(SYS_getrandom, 1, 8, 0)));
}

static void of_threads(void) {
  unsigned long base = 0;
  static char area[64];
  printf("arch_prctl fs %d", (int)syscall(SYS_arch_prctl, ARCH_GET_FS, &base));
  printf(" %d\n", base != 0);
  printf("set gs %d\n", (int)syscall(SYS_arch_prctl, ARCH_SET_GS, area));
  printf("get gs %d", (int)syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
  printf(" %d\n", base == (unsigned long)area);
  printf("not canonical %d\n", failed(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x8000000000000000UL)));
  printf("unknown %d\n", failed(syscall(SYS_arch_prctl, 0x7777, 0)));
  static struct robust_list_head head;
  head.list.next = &head.list;
  printf("set_robust_list %d, wrong size %d\n", (int)syscall(SYS_set_robust_list, &head, sizeof head),
         failed(syscall(SYS_set_robust_list, &head, 8)));
}

static void paths(void) {
  printf("faccessat2 %d\n", (int)syscall(SYS_faccessat2, AT_FDCWD, "/", R_OK, AT_EACCESS));
  printf("missing %d\n", failed(syscall(SYS_faccessat2, AT_FDCWD, "/no/such", F_OK, 0)));
  printf("unknown mode %d, unknown flags %d\n", failed(syscall(SYS_faccessat2, AT_FDCWD, "/", 8, 0)),
         failed(syscall(SYS_faccessat2, AT_FDCWD, "/", F_OK, 0x8000)));
  struct statfs s;
  printf("statfs %d", statfs("/", &s));
  printf(" %d\n", s.f_bsize > 0 && s.f_namelen > 0);
  printf("missing %d, of no descriptor %d\n", failed(statfs("/no/such", &s)), failed(fstatfs(99, &s)));
  const int root = open("/", O_RDONLY | O_DIRECTORY);
  printf("fstatfs %d", fstatfs(root, &s));
  printf(" %d\n", s.f_bsize > 0);
}

static void* ends_alone(void* unused) {
  syscall(SYS_exit, 0);
  return unused;
}

int main(void) {
  pipes_and_events();
  randomness();
  of_threads();
  paths();
  pthread_t t;
  pthread_create(&t, NULL, ends_alone, NULL);
  printf("exit ends one thread %d\n", pthread_join(t, NULL));
}
