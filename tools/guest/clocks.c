// Time as a guest sees it: the vDSO (what libc calls) against the system call, order across threads, and a
// rate that the host compares with its own. Prints "ok NAME" per check and "elapsed NS" / "realtime NS" for
// the host.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int failures;

static void check(const char* name, bool ok) {
  printf("%s %s\n", ok ? "ok" : "FAILED", name);
  failures += !ok;
}

static int64_t ns(struct timespec t) {
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t by_libc(clockid_t c) {
  struct timespec t;
  if (clock_gettime(c, &t) != 0) exit(98);
  return ns(t);
}

static int64_t by_system_call(clockid_t c) {
  struct timespec t;
  if (syscall(SYS_clock_gettime, c, &t) != 0) exit(97);
  return ns(t);
}

// libc's reading lies between two system-call readings, or off by no more than `slack`.
static void agree(const char* name, clockid_t c, int64_t slack) {
  int64_t worst = 0;
  for (int i = 0; i < 200; i++) {
    int64_t before = by_system_call(c), middle = by_libc(c), after = by_system_call(c);
    if (before - middle > worst) worst = before - middle;
    if (middle - after > worst) worst = middle - after;
  }
  printf("%s: worst disagreement %lld ns\n", name, (long long)worst);
  check(name, worst <= slack);
}

static _Atomic int64_t latest;
static atomic_int backwards;

static void* race(void* unused) {
  for (int i = 0; i < 200000; i++) {
    int64_t seen = atomic_load(&latest), now = by_libc(CLOCK_MONOTONIC);
    if (now < seen) atomic_fetch_add(&backwards, 1);
    while (seen < now && !atomic_compare_exchange_weak(&latest, &seen, now)) {
    }
  }
  return unused;
}

static void monotonic_across_threads(void) {
  pthread_t t[4];
  for (int i = 0; i < 4; i++)
    if (pthread_create(&t[i], NULL, race, NULL) != 0) exit(99);
  for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
  printf("backwards: %d\n", backwards);
  check("monotonic across threads", backwards == 0);
}

int main(int argc, char** argv) {
  int64_t start = by_libc(CLOCK_MONOTONIC);
  printf("vdso %s\n", getauxval(AT_SYSINFO_EHDR) ? "present" : "absent");
  // Kernel clocks are corrected between our readings; a microsecond covers it on a loaded machine.
  agree("monotonic agrees", CLOCK_MONOTONIC, 20000);
  agree("realtime agrees", CLOCK_REALTIME, 20000);
  int64_t begin = by_libc(CLOCK_MONOTONIC);
  for (int i = 0; i < 100000; i++) by_libc(CLOCK_MONOTONIC);
  printf("cost %lld ns\n", (long long)((by_libc(CLOCK_MONOTONIC) - begin) / 100000));
  struct timeval tv;
  check("gettimeofday",
        gettimeofday(&tv, NULL) == 0 && llabs(tv.tv_sec - by_libc(CLOCK_REALTIME) / 1000000000) <= 1);
  check("time", llabs((long long)time(NULL) - by_libc(CLOCK_REALTIME) / 1000000000) <= 1);
  struct timespec r;
  check("resolution", clock_getres(CLOCK_MONOTONIC, &r) == 0 && ns(r) > 0 && ns(r) <= 10000000);
  check("process time", by_libc(CLOCK_PROCESS_CPUTIME_ID) > 0);
  monotonic_across_threads();
  // Until this much of our own time has passed; the host measures the same interval.
  int64_t span = (argc > 1 ? atoll(argv[1]) : 0) * 1000000;
  int64_t from = by_libc(CLOCK_MONOTONIC);
  printf("begin\n");
  fflush(stdout);
  while (by_libc(CLOCK_MONOTONIC) - from < span) {
  }
  printf("end\n");
  fflush(stdout);
  printf("realtime %lld\n", (long long)by_libc(CLOCK_REALTIME));
  printf("elapsed %lld\n", (long long)(by_libc(CLOCK_MONOTONIC) - start));
  return failures;
}
