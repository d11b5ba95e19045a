// Programs that never end by themselves: stall spin|read|futex|epoll|threads. Says "ready" first.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void* spin(void* unused) {
  for (volatile unsigned long n = 0;; n++) (void)unused;
  return NULL;
}

static void* wait_forever(void* unused) {
  (void)unused;
  pthread_mutex_lock(&lock);
  for (;;) pthread_cond_wait(&never, &lock);
  return NULL;
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "spin";
  struct epoll_event event;
  pthread_t t;
  char byte;
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (strcmp(mode, "threads") == 0) {
    for (int i = 0; i < 3; i++)
      if (pthread_create(&t, NULL, i ? wait_forever : spin, NULL) != 0) return 1;
  }
  if (write(1, "ready\n", 6) != 6) return 1;
  if (strcmp(mode, "read") == 0) return (int)read(0, &byte, 1);
  if (strcmp(mode, "epoll") == 0) return epoll_wait(epoll, &event, 1, -1);
  if (strcmp(mode, "spin") == 0) spin(NULL);
  wait_forever(NULL);
}
