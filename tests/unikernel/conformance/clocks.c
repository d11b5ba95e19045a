// Clocks, counters and what the machine says of itself: they agree, and they go forward.
// exercises: gettimeofday time times getrusage sysinfo clock_getres clock_gettime sched_yield getcpu
// exercises: sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

static void wall(void) {
  struct timeval tv;
  struct timespec ts;
  printf("gettimeofday %d clock_gettime %d\n", (int)syscall(SYS_gettimeofday, &tv, NULL),
         (int)syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts));
  time_t now = 0;
  const time_t given = syscall(SYS_time, &now);
  printf("time agrees %d %d\n", given == now, labs(now - ts.tv_sec) <= 1 && labs(tv.tv_sec - ts.tv_sec) <= 1);
  printf("to nowhere %d %d\n", syscall(SYS_gettimeofday, 1, NULL) ? errno : 0,
         syscall(SYS_time, 1) < 0 ? errno : 0);
}

static void resolutions(void) {
  const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_PROCESS_CPUTIME_ID,
                              CLOCK_THREAD_CPUTIME_ID};
  for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; ++i) {
    struct timespec res, now;
    const int r = syscall(SYS_clock_getres, clocks[i], &res), g = syscall(SYS_clock_gettime, clocks[i], &now);
    printf("clock %d: %d %ld.%09ld, reads %d\n", clocks[i], r, res.tv_sec, res.tv_nsec, g);
  }
  printf("no such clock %d\n", syscall(SYS_clock_getres, 99, NULL) ? errno : 0);
  printf("without a place %d\n", (int)syscall(SYS_clock_getres, CLOCK_MONOTONIC, NULL));
}

static void used(void) {
  volatile unsigned x = 0;
  struct rusage before, after;
  printf("getrusage %d", getrusage(RUSAGE_SELF, &before));
  for (unsigned i = 0; i < 50000000; ++i) x += i;
  getrusage(RUSAGE_SELF, &after);
  const long spent = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000L + after.ru_utime.tv_usec -
                     before.ru_utime.tv_usec;
  printf(" spent %d, resident %d, unknown %d\n", spent > 0, after.ru_maxrss > 0,
         getrusage(7, &after) ? errno : 0);
  struct rusage of_thread;
  printf("of the thread %d\n", getrusage(RUSAGE_THREAD, &of_thread));
  struct tms t;
  const clock_t ticks = times(&t);
  printf("times %d %d\n", ticks != (clock_t)-1, t.tms_utime >= 0 && t.tms_cutime == 0);
}

static void machine(void) {
  struct sysinfo s;
  printf("sysinfo %d", sysinfo(&s));
  printf(" %d %d\n", s.mem_unit > 0 && s.totalram > 0, s.uptime >= 0);
  cpu_set_t set;
  printf("sched_getaffinity %d", sched_getaffinity(0, sizeof set, &set));
  printf(" some %d\n", CPU_COUNT(&set) > 0);
  printf("too small %d\n", syscall(SYS_sched_getaffinity, 0, 1, &set) < 0 ? errno : 0);
  unsigned cpu = 9999, node = 9999;
  printf("getcpu %d", (int)syscall(SYS_getcpu, &cpu, &node, NULL));
  printf(" %d %d\n", CPU_ISSET(cpu, &set), node);
  printf("getcpu without places %d\n", (int)syscall(SYS_getcpu, NULL, NULL, NULL));
}

static void scheduling(void) {
  struct sched_param p = {.sched_priority = 99};
  printf("sched_yield %d\n", sched_yield());
  printf("sched_getscheduler %d\n", sched_getscheduler(0));
  printf("sched_getparam %d", sched_getparam(0, &p));
  printf(" %d\n", p.sched_priority);
  printf("of nobody %d\n", sched_getscheduler(0x3fffffff) < 0 ? errno : 0);
  const int policies[] = {SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE, 77};
  for (unsigned i = 0; i < sizeof policies / sizeof *policies; ++i) {
    errno = 0;
    const int low = sched_get_priority_min(policies[i]), high = sched_get_priority_max(policies[i]);
    printf("policy %d: %d to %d (%d)\n", policies[i], low, high, errno);
  }
}

int main(void) {
  wall();
  resolutions();
  used();
  machine();
  scheduling();
}
