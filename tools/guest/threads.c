// POSIX threads at work: each check prints "ok NAME"; the exit status counts the failures. Runs natively as
// well.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { workers = 8, rounds = 2000, churn = 1000 };

static int failures;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long counter;
static atomic_long atomic_counter;
static pthread_barrier_t barrier;
static __thread long local = 41;

static void check(const char* name, bool ok) {
  printf("%s %s\n", ok ? "ok" : "FAILED", name);
  fflush(stdout);
  failures += !ok;
}

static double seconds_since(struct timespec from) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)(t.tv_sec - from.tv_sec) + (double)(t.tv_nsec - from.tv_nsec) / 1e9;
}

static void run_all(void* (*body)(void*)) {
  pthread_t t[workers];
  for (intptr_t i = 0; i < workers; i++)
    if (pthread_create(&t[i], NULL, body, (void*)i) != 0) {
      puts("FAILED pthread_create");
      exit(99);
    }
  for (int i = 0; i < workers; i++) pthread_join(t[i], NULL);
}

static void* count_locked(void* unused) {
  for (int i = 0; i < rounds; i++) {
    pthread_mutex_lock(&lock);
    counter++;
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&atomic_counter, 1);
  }
  return unused;
}

static void mutexes(void) {
  run_all(count_locked);
  check("mutex", counter == workers * rounds && atomic_counter == workers * rounds);
}

static atomic_int phase_errors;
static atomic_int arrived[64];

static void* cross_barriers(void* unused) {
  for (int i = 0; i < 64; i++) {
    atomic_fetch_add(&arrived[i], 1);
    pthread_barrier_wait(&barrier);
    if (atomic_load(&arrived[i]) != workers) atomic_fetch_add(&phase_errors, 1);
  }
  return unused;
}

static void barriers(void) {
  pthread_barrier_init(&barrier, NULL, workers);
  run_all(cross_barriers);
  check("barrier", phase_errors == 0);
}

// A token goes round between the threads; each waits for its turn.
static int turn;

static void* wait_for_turn(void* argument) {
  int me = (int)(intptr_t)argument;
  for (int i = 0; i < 50; i++) {
    pthread_mutex_lock(&lock);
    while (turn % workers != me) pthread_cond_wait(&changed, &lock);
    turn++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
  }
  return argument;
}

static void conditions(void) {
  turn = 0;
  run_all(wait_for_turn);
  check("condition", turn == 50 * workers);
}

static bool times_out(clockid_t clock) {
  pthread_condattr_t a;
  pthread_cond_t never;
  pthread_condattr_init(&a);
  pthread_condattr_setclock(&a, clock);
  pthread_cond_init(&never, &a);
  struct timespec start, until;
  clock_gettime(CLOCK_MONOTONIC, &start);
  clock_gettime(clock, &until);
  until.tv_nsec += 60 * 1000000;
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  pthread_mutex_lock(&lock);
  int r = pthread_cond_timedwait(&never, &lock, &until);
  pthread_mutex_unlock(&lock);
  double took = seconds_since(start);
  return r == ETIMEDOUT && took >= 0.059 && took < 5;
}

static void timeouts(void) {
  check("condition timeout, monotonic", times_out(CLOCK_MONOTONIC));
  check("condition timeout, realtime", times_out(CLOCK_REALTIME));
  struct timespec start, until;
  sem_t s;
  sem_init(&s, 0, 0);
  clock_gettime(CLOCK_MONOTONIC, &start);
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec -= 1;  // in the past
  check("semaphore timeout in the past", sem_timedwait(&s, &until) == -1 && errno == ETIMEDOUT);
  struct timespec nap = {0, 30 * 1000000};
  check("nanosleep", nanosleep(&nap, NULL) == 0 && seconds_since(start) >= 0.03);
}

static void* use_local(void* argument) {
  long ok = local == 41;
  local = (long)(intptr_t)argument;
  for (int i = 0; i < 100; i++) {
    sched_yield();
    ok = ok && local == (long)(intptr_t)argument;
  }
  return (void*)(intptr_t)ok;
}

static void thread_local_storage(void) {
  pthread_t t[workers];
  long ok = 0;
  for (intptr_t i = 0; i < workers; i++) pthread_create(&t[i], NULL, use_local, (void*)i);
  for (int i = 0; i < workers; i++) {
    void* r;
    pthread_join(t[i], &r);
    ok += (long)(intptr_t)r;
  }
  check("thread-local storage", ok == workers && local == 41);
}

static void* add_one(void* unused) {
  atomic_fetch_add(&atomic_counter, 1);
  return unused;
}

static void churning(void) {
  atomic_store(&atomic_counter, 0);
  int made = 0;
  for (; made < churn; made++) {
    pthread_t t;
    if (pthread_create(&t, NULL, add_one, NULL) != 0 || pthread_join(t, NULL) != 0) break;
  }
  check("1000 threads one after another", made == churn && atomic_counter == churn);
}

static sem_t finished;

static void* finish(void* unused) {
  sem_post(&finished);
  return unused;
}

static void detached(void) {
  sem_init(&finished, 0, 0);
  pthread_attr_t a;
  pthread_attr_init(&a);
  pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
  int made = 0;
  for (int i = 0; i < 100; i++) {
    pthread_t t;
    // A detached thread may still be ending: then its slot is not free yet, and waiting is right.
    while (pthread_create(&t, &a, finish, NULL) == EAGAIN) sched_yield();
    made++;
  }
  for (int i = 0; i < made; i++) sem_wait(&finished);
  check("100 detached threads", made == 100);
}

static void* exit_early(void* argument) {
  if (argument) pthread_exit((void*)7);
  return NULL;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int initialised;
static void initialise(void) {
  initialised++;
}
static void* run_once(void* unused) {
  pthread_once(&once, initialise);
  return unused;
}

static pthread_key_t key;
static atomic_int destroyed;
static void destroy(void* value) {
  atomic_fetch_add(&destroyed, value == (void*)5);
}
static void* set_key(void* unused) {
  pthread_setspecific(key, (void*)5);
  return unused;
}

static void odds_and_ends(void) {
  pthread_t t;
  void* r = NULL;
  pthread_create(&t, NULL, exit_early, (void*)1);
  pthread_join(t, &r);
  check("pthread_exit value", r == (void*)7);
  run_all(run_once);
  check("pthread_once", initialised == 1);
  pthread_key_create(&key, destroy);
  run_all(set_key);
  check("key destructors", destroyed == workers);
  pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
  check("read-write lock", pthread_rwlock_rdlock(&rw) == 0 && pthread_rwlock_tryrdlock(&rw) == 0 &&
                               pthread_rwlock_trywrlock(&rw) == EBUSY);
}

static void* large_frame(void* unused) {
  volatile char frame[200 * 1024];
  for (size_t i = 0; i < sizeof frame; i += 4096) frame[i] = 1;
  return frame[4096] == 1 ? unused : NULL;
}

static void stacks(void) {
  pthread_attr_t a;
  pthread_t t;
  void* r = NULL;
  pthread_attr_init(&a);
  pthread_attr_setstacksize(&a, 512 * 1024);
  pthread_create(&t, &a, large_frame, (void*)3);
  pthread_join(t, &r);
  check("own stack size", r == (void*)3);
}

int main(void) {
  mutexes();
  barriers();
  conditions();
  timeouts();
  thread_local_storage();
  odds_and_ends();
  stacks();
  detached();
  churning();
  return failures;
}
