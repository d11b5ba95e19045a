// A guest that is called: functions over the bytes they get, and some that end badly.
#include <osvm/guest.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>

static volatile long counted;

static int32_t empty(const void* request, size_t size, osvm_answer* answer) {
  (void)request;
  (void)size;
  (void)answer;
  return 0;
}

static int32_t add(const void* request, size_t size, osvm_answer* answer) {
  int32_t n[2];
  if (size != sizeof n) return -EINVAL;
  memcpy(n, request, sizeof n);
  const int32_t sum = n[0] + n[1];
  return osvm_answer_with(answer, &sum, sizeof sum);
}

static int32_t count(const void* request, size_t size, osvm_answer* answer) {
  (void)request;
  (void)size;
  const long now = __sync_add_and_fetch(&counted, 1);
  return osvm_answer_with(answer, &now, sizeof now);
}

static int32_t echo(const void* request, size_t size, osvm_answer* answer) {
  if ((uintptr_t)request % 16 != 0) return -EFAULT;
  return osvm_answer_with(answer, request, size);
}

static int32_t spin(const void* request, size_t size, osvm_answer* answer) {
  for (volatile int on = 1; on;) {
  }
  return empty(request, size, answer);
}

static int32_t nap(const void* request, size_t size, osvm_answer* answer) {
  usleep(200000);
  return empty(request, size, answer);
}

static int32_t leave(const void* request, size_t size, osvm_answer* answer) {
  exit(7);
  return empty(request, size, answer);
}

static const osvm_function functions[] = {{"empty", empty}, {"add", add}, {"count", count}, {"echo", echo},
                                          {"spin", spin},   {"nap", nap}, {"leave", leave}};
#define COUNT (sizeof functions / sizeof functions[0])

static void* serve(void* argument) {
  osvm_serve(functions, COUNT, 17 << 20);
  return argument;
}

// What a hostile or a careless guest writes, and epoll.
static int odd(void) {
  const int d = open(OSVM_CALLS_DEVICE, O_RDWR | O_NONBLOCK);
  char bytes[4096];
  if (d < 0 || read(d, bytes, sizeof bytes) != -1 || errno != EAGAIN) return 1;
  if (write(d, bytes, 3) != -1 || errno != EINVAL) return 2;
  osvm_answer_header head = {99, 0, 1000};
  memcpy(bytes, &head, sizeof head);
  if (write(d, bytes, sizeof head) != -1 || errno != EINVAL) return 3;
  head.size = 0;
  memcpy(bytes, &head, sizeof head);
  if (write(d, bytes, sizeof head) != sizeof head) return 4;  // nobody waits for it
  if (pread(d, bytes, 100, 0) != -1 || errno != ESPIPE) return 5;
  const int set = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN};
  epoll_ctl(set, EPOLL_CTL_ADD, d, &e);
  if (epoll_wait(set, &e, 1, -1) != 1) return 6;
  if (read(d, bytes, 20) != -1 || errno != EMSGSIZE) return 7;
  const ssize_t got = read(d, bytes, sizeof bytes);
  if (got < (ssize_t)sizeof(osvm_request_header)) return 8;
  osvm_request_header request;
  memcpy(&request, bytes, sizeof request);
  if ((size_t)got != sizeof request + request.name_size + request.size) return 9;
  head.id = request.id;
  head.status = 42;
  memcpy(bytes, &head, sizeof head);
  if (write(d, bytes, sizeof head) != sizeof head) return 10;
  if (write(d, bytes, sizeof head) != sizeof head) return 11;  // twice: the second is dropped
  return epoll_wait(set, &e, 1, 0) == 0 ? 0 : 12;
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "odd") == 0) return odd();
  if (argc > 1 && strcmp(argv[1], "idle") == 0) return pause();
  const int threads = argc > 1 ? atoi(argv[1]) : 1;
  for (int i = 1; i < threads; ++i) {
    pthread_t t;
    pthread_create(&t, NULL, serve, NULL);
  }
  const int failed = osvm_serve(functions, COUNT, 17 << 20);
  printf("%d\n", failed);
  return 1;
}
