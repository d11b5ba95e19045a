// Timers that send signals.
// exercises: setitimer getitimer alarm timer_create timer_settime timer_gettime timer_getoverrun timer_delete clock_gettime
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile int count, code, value, overrun, thread;
static void handler(int signal, siginfo_t* i, void* context) {
  (void)signal, (void)context;
  count++;
  code = i->si_code;
  thread = gettid();
  if (code == SI_TIMER) value = i->si_value.sival_int, overrun = i->si_overrun;
}
static long long ns(clockid_t c) {
  struct timespec t;
  clock_gettime(c, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}
static void until(int wanted) {
  const long long end = ns(CLOCK_MONOTONIC) + 20000000000ll;
  while (count < wanted && ns(CLOCK_MONOTONIC) < end) usleep(1000);
}
static volatile unsigned long work;
static void burn_until(int wanted) {
  const long long end = ns(CLOCK_MONOTONIC) + 20000000000ll;
  while (count < wanted && ns(CLOCK_MONOTONIC) < end)
    for (int i = 0; i < 100000; i++) work += (unsigned long)i;
}

static void intervals(void) {
  struct itimerval t = {{0, 5000}, {0, 5000}}, old;
  const long long from = ns(CLOCK_MONOTONIC);
  printf("setitimer %d\n", setitimer(ITIMER_REAL, &t, NULL));
  until(5);
  printf("real: five %d code %d long enough %d\n", count >= 5, code, ns(CLOCK_MONOTONIC) - from >= 20000000);
  t = (struct itimerval){{0, 0}, {100, 0}};
  setitimer(ITIMER_REAL, &t, &old);
  printf("old interval %ld\n", (long)old.it_interval.tv_usec);
  getitimer(ITIMER_REAL, &old);
  printf("left %d interval %ld\n", old.it_value.tv_sec >= 90 && old.it_value.tv_sec <= 100,
         (long)old.it_interval.tv_sec);
  printf("alarm %u\n", alarm(0) >= 90);
  printf("alarm again %u\n", alarm(7));
  printf("alarm rest %d\n", alarm(0) >= 5);
  getitimer(ITIMER_REAL, &old);
  printf("off %ld %ld\n", (long)old.it_value.tv_sec, (long)old.it_value.tv_usec);
  count = 0;
  t = (struct itimerval){{0, 2000}, {0, 2000}};
  setitimer(ITIMER_PROF, &t, NULL);
  burn_until(5);
  printf("prof: five %d code %d\n", count >= 5, code);
  memset(&t, 0, sizeof t);
  setitimer(ITIMER_PROF, &t, NULL);
  printf("errors %d", setitimer(9, &t, NULL));
  printf(" %d", errno);
  t.it_value.tv_usec = 1000000;
  printf(" %d", setitimer(ITIMER_REAL, &t, NULL));
  printf(" %d\n", errno);
}

static void posix_timers(void) {
  timer_t id;
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 33};
  printf("timer_create %d\n", timer_create(CLOCK_MONOTONIC, &e, &id));
  struct itimerspec t = {{0, 3000000}, {0, 3000000}}, now;
  count = 0;
  timer_settime(id, 0, &t, NULL);
  until(4);
  printf("four %d code %d value %d\n", count >= 4, code, value);
  // Blocked for a while: one signal, the rest are overruns.
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &s, NULL);
  usleep(60000);
  count = 0;
  memset(&now, 0, sizeof now);
  struct itimerspec once = now;
  sigset_t pending;
  sigpending(&pending);
  printf("pending %d\n", sigismember(&pending, SIGRTMIN));
  sigprocmask(SIG_UNBLOCK, &s, NULL);
  until(1);
  printf("overruns %d\n", overrun >= 1 || count >= 1);
  timer_settime(id, 0, &once, &now);
  printf("was %ld\n", now.it_interval.tv_nsec);
  timer_gettime(id, &now);
  printf("off %ld %ld\n", now.it_value.tv_sec, now.it_value.tv_nsec);
  clock_gettime(CLOCK_MONOTONIC, &once.it_value);
  once.it_value.tv_sec += 100;
  timer_settime(id, TIMER_ABSTIME, &once, NULL);
  timer_gettime(id, &now);
  printf("absolute %d\n", now.it_value.tv_sec >= 90 && now.it_value.tv_sec <= 100);
  count = 0;
  once.it_value.tv_sec = 1;  // long ago
  timer_settime(id, TIMER_ABSTIME, &once, NULL);
  until(1);
  printf("past: fires once %d\n", count);
  printf("delete %d", timer_delete(id));
  printf(" gone %ld", syscall(SYS_timer_delete, 12345));
  printf(" %d\n", errno);
  e.sigev_signo = 99;
  printf("bad signal %d", timer_create(CLOCK_MONOTONIC, &e, &id));
  printf(" %d", errno);
  e.sigev_signo = SIGRTMIN;
  printf(" bad clock %d", timer_create(77, &e, &id));
  printf(" %d\n", errno);
}

// As Go's profiler has it: the CPU time of one thread, the signal to that thread.
static void* profiled(void* unused) {
  (void)unused;
  struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
  e.sigev_notify_thread_id = gettid();
  timer_t id;
  struct itimerspec t = {{0, 2000000}, {0, 2000000}};
  timer_create(CLOCK_THREAD_CPUTIME_ID, &e, &id);
  count = 0;
  timer_settime(id, 0, &t, NULL);
  burn_until(5);
  printf("thread cpu: five %d own thread %d code %d\n", count >= 5, thread == gettid(), code);
  timer_delete(id);
  return NULL;
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGALRM, &a, NULL);
  sigaction(SIGPROF, &a, NULL);
  sigaction(SIGRTMIN, &a, NULL);
  intervals();
  posix_timers();
  pthread_t t;
  pthread_create(&t, NULL, profiled, NULL);
  pthread_join(t, NULL);
  clockid_t c;
  pthread_getcpuclockid(pthread_self(), &c);
  printf("own cpu clock %d process clock %d\n", ns(c) > 0, ns(CLOCK_PROCESS_CPUTIME_ID) >= ns(c));
  return 0;
}
