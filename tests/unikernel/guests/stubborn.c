// A program that cannot be asked to stop: every signal ignored and blocked, then stuck in one place. stubborn
// NAME. Prints "ready" when it is about to be stuck.
#define _GNU_SOURCE
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long beat;

static void spin(void) {
  for (;;) beat++;
}
static void syscall_loop(void) {
  for (;;) getppid();
}
static void futex(void) {
  pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&m);
  for (;;) pthread_mutex_lock(&m);
}
static void condition(void) {
  pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t c = PTHREAD_COND_INITIALIZER;
  struct timespec far;
  clock_gettime(CLOCK_REALTIME, &far);
  far.tv_sec += 1000000;
  pthread_mutex_lock(&m);
  for (;;) pthread_cond_timedwait(&c, &m, &far);
}
static void epoll(void) {
  struct epoll_event e;
  int fd = epoll_create1(0);
  for (;;) epoll_wait(fd, &e, 1, -1);
}
static void polling(void) {
  struct pollfd p = {.fd = eventfd(0, 0), .events = POLLIN};
  for (;;) poll(&p, 1, -1);
}
static void pipe_read(void) {
  int fd[2];
  char c;
  if (pipe(fd)) exit(3);
  for (;;)
    if (read(fd[0], &c, 1) >= 0) exit(3);
}
static void pipe_write(void) {
  int fd[2];
  static char data[65536];
  if (pipe(fd)) exit(3);
  for (;;)
    if (write(fd[1], data, sizeof data) < 0) exit(3);
}
static void input(void) {
  char c;
  for (;;)
    if (read(0, &c, 1) == 0) spin();
}
static void output(void) {
  static char data[65536];
  for (;;)
    if (write(1, data, sizeof data) < 0) exit(3);
}
static void event(void) {
  eventfd_t v;
  int fd = eventfd(0, 0);
  for (;;) eventfd_read(fd, &v);
}
static void timer(void) {
  struct itimerspec far = {.it_value = {1000000, 0}};
  int fd = timerfd_create(CLOCK_MONOTONIC, 0);
  unsigned long n;
  timerfd_settime(fd, 0, &far, NULL);
  for (;;)
    if (read(fd, &n, sizeof n) >= 0) exit(3);
}
static void sleeping(void) {
  for (;;) {
    struct timespec t = {1000000, 0};
    nanosleep(&t, NULL);
  }
}
static void pausing(void) {
  for (;;) pause();
}
static void accepting(void) {
  struct sockaddr_in a = {
      .sin_family = AF_INET, .sin_port = htons(8080), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr*)&a, sizeof a) || listen(fd, 8)) exit(3);
  for (;;)
    if (accept(fd, NULL, NULL) < 0) exit(3);
}
static void memory(void) {  // page faults without end, within the budget
  for (;;) {
    char* p = malloc(8 << 20);
    if (!p) exit(3);
    for (size_t i = 0; i < 8 << 20; i += 4096) p[i] = 1;
    free(p);
  }
}

typedef void (*body)(void);
static void* in_thread(void* b) {
  ((body)b)();
  return NULL;
}
static void churn(void) {
  for (;;) {
    pthread_t t;
    if (pthread_create(&t, NULL, in_thread, (void*)getppid) == 0) pthread_join(t, NULL);
  }
}
static void everything(void) {
  static const body parts[] = {spin, syscall_loop, futex, epoll, pipe_read, sleeping, condition, event};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    pthread_t t;
    if (pthread_create(&t, NULL, in_thread, (void*)parts[i])) exit(3);
  }
  spin();
}

static const struct {
  const char* name;
  body stuck;
} table[] = {
#define ROW(n) \
  { #n, n }
    ROW(spin),      ROW(syscall_loop), ROW(futex),     ROW(condition), ROW(epoll), ROW(polling),
    ROW(pipe_read), ROW(pipe_write),   ROW(input),     ROW(output),    ROW(event), ROW(timer),
    ROW(sleeping),  ROW(pausing),      ROW(accepting), ROW(memory),    ROW(churn), ROW(everything),
};

int main(int argc, char** argv) {
  sigset_t every;
  sigfillset(&every);
  for (int s = 1; s < 65; s++) signal(s, SIG_IGN);
  sigprocmask(SIG_BLOCK, &every, NULL);
  for (size_t i = 0; argc == 2 && i < sizeof table / sizeof table[0]; i++)
    if (strcmp(argv[1], table[i].name) == 0) {
      puts("ready");
      fflush(stdout);
      table[i].stuck();
    }
  return 2;
}
