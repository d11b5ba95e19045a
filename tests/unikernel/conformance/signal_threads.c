// Signals between threads: to one that spins, one that sleeps, one that has it blocked; many at once.
// exercises: tgkill kill rt_sigprocmask rt_sigaction futex clone3 exit_group
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static atomic_int stop, started, hits[8];
static _Thread_local int me;

static void handler(int signal) {
  (void)signal;
  hits[me]++;
}
static void* spins(void* number) {
  me = (int)(long)number;
  started++;
  while (!stop) __asm__ volatile("" ::: "memory");
  return NULL;
}
static void* sleeps(void* number) {
  me = (int)(long)number;
  started++;
  while (!stop) {
    struct timespec t = {1, 0};
    nanosleep(&t, NULL);
  }
  return NULL;
}
static void* blocks(void* number) {
  me = (int)(long)number;
  sigset_t s;
  sigfillset(&s);
  pthread_sigmask(SIG_BLOCK, &s, NULL);
  while (!stop) usleep(1000);
  return NULL;
}
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long guarded;
static void* locks(void* number) {
  me = (int)(long)number;
  for (int i = 0; i < 3000; i++) {
    pthread_mutex_lock(&lock);
    guarded++;
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  struct sigaction a = {.sa_handler = handler};
  sigaction(SIGUSR1, &a, NULL);
  a.sa_flags = SA_RESTART;
  sigaction(SIGUSR2, &a, NULL);
  pthread_t t[8];
  pthread_create(&t[1], NULL, spins, (void*)1);
  pthread_create(&t[2], NULL, sleeps, (void*)2);
  while (started < 2) usleep(100);
  for (int k = 1; k <= 2; k++) {
    const int wanted = 20;
    for (int i = 0; i < wanted; i++) {
      const int before = hits[k];
      pthread_kill(t[k], SIGUSR1);
      while (hits[k] == before) usleep(100);
    }
    printf("thread %d handled %d\n", k, hits[k] >= wanted);
  }
  stop = 1;
  pthread_kill(t[2], SIGUSR1);
  for (int k = 1; k <= 2; k++) pthread_join(t[k], NULL);
  // The process' signal goes to the only thread that takes it.
  stop = 0;
  pthread_create(&t[3], NULL, blocks, (void*)3);
  usleep(5000);
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &s, NULL);
  pthread_create(&t[4], NULL, sleeps, (void*)4);
  pthread_sigmask(SIG_BLOCK, &s, NULL);
  kill(getpid(), SIGUSR1);
  usleep(5000);
  printf("nobody takes it %d %d\n", hits[3], hits[4]);
  pthread_sigmask(SIG_UNBLOCK, &s, NULL);
  printf("main took it %d\n", hits[0]);
  stop = 1;
  pthread_kill(t[4], SIGUSR2);
  pthread_join(t[3], NULL);
  pthread_join(t[4], NULL);
  // Signals rain on threads that use locks.
  for (long k = 5; k < 8; k++) pthread_create(&t[k], NULL, locks, (void*)k);
  for (int i = 0; i < 300; i++) {
    pthread_kill(t[5 + i % 3], SIGUSR2);
    if (i % 16 == 0) usleep(200);
  }
  for (int k = 5; k < 8; k++) pthread_join(t[k], NULL);
  printf("guarded %ld\n", guarded);
  return 0;
}
