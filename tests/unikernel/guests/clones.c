// A warm service: it sets up memory, threads and open files of many kinds, listens, and answers commands of
// one line each about them. What it is asked after a snapshot tells what a clone has of its own.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

static struct {
  long count;
  int pipe[2], pair[2], event, timer, file, urandom;
  unsigned char* wiped;
  unsigned char* large;
  size_t large_size;
} warm;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t asked = PTHREAD_COND_INITIALIZER, answered = PTHREAD_COND_INITIALIZER;
static long question, answer;
static __thread long own;

static void fail(const char* what) {
  perror(what);
  exit(9);
}

static void* worker(void* argument) {
  own = (long)argument;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (question == answer) pthread_cond_wait(&asked, &lock);
    answer = question;
    own += 1;
    pthread_cond_signal(&answered);
  }
  return NULL;
}

// Waits for a signal that does not come. What stops it all the same would be seen.
static volatile long interrupted;
static void* sleeper(void* argument) {
  sigset_t none;
  sigemptyset(&none);
  sigaddset(&none, SIGUSR2);
  const struct timespec long_time = {3600, 0};
  for (;;) {
    if (sigtimedwait(&none, NULL, &long_time) < 0 && errno == EINTR) ++interrupted;
  }
  return argument;
}

static long ask_worker(void) {
  pthread_mutex_lock(&lock);
  ++question;
  pthread_cond_signal(&asked);
  while (answer != question) pthread_cond_wait(&answered, &lock);
  const long got = answer;
  pthread_mutex_unlock(&lock);
  return got;
}

static void hex(char* out, const unsigned char* bytes, size_t size) {
  for (size_t i = 0; i < size; ++i) sprintf(out + 2 * i, "%02x", bytes[i]);
}

static volatile sig_atomic_t signals;
static void on_signal(int number) {
  (void)number;
  ++signals;
}

static int lost;  // why a connection ended last

static void command(char* line, char* out, size_t size) {
  unsigned char bytes[16] = {0};
  char text[64] = "";
  if (!strcmp(line, "count")) {
    snprintf(out, size, "%ld", ++warm.count);
  } else if (!strcmp(line, "random")) {
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) fail("getrandom");
    hex(text, bytes, sizeof bytes);
    snprintf(out, size, "%s", text);
  } else if (!strcmp(line, "urandom")) {
    if (read(warm.urandom, bytes, sizeof bytes) != sizeof bytes) fail("urandom");
    hex(text, bytes, sizeof bytes);
    snprintf(out, size, "%s", text);
  } else if (!strcmp(line, "wiped")) {
    snprintf(out, size, "%d", warm.wiped[0]);
  } else if (!strcmp(line, "file")) {
    const ssize_t n = read(warm.file, bytes, 4);
    snprintf(out, size, "%.*s", (int)(n > 0 ? n : 0), (char*)bytes);
  } else if (!strcmp(line, "pipe")) {
    const ssize_t n = read(warm.pipe[0], bytes, sizeof bytes);
    snprintf(out, size, "%.*s", (int)(n > 0 ? n : 0), (char*)bytes);
  } else if (!strcmp(line, "pipe-again")) {
    if (write(warm.pipe[1], "again", 5) != 5) fail("pipe");
    const ssize_t n = read(warm.pipe[0], bytes, sizeof bytes);
    snprintf(out, size, "%.*s", (int)(n > 0 ? n : 0), (char*)bytes);
  } else if (!strcmp(line, "pair")) {
    const ssize_t n = read(warm.pair[1], bytes, sizeof bytes);
    if (write(warm.pair[1], "back", 4) != 4) fail("pair");
    char back[5] = "";
    if (read(warm.pair[0], back, 4) != 4) fail("pair");
    snprintf(out, size, "%.*s %s", (int)(n > 0 ? n : 0), (char*)bytes, back);
  } else if (!strcmp(line, "event")) {
    uint64_t value = 0;
    if (read(warm.event, &value, sizeof value) != sizeof value) value = 0;
    snprintf(out, size, "%llu", (unsigned long long)value);
  } else if (!strcmp(line, "timer")) {
    uint64_t value = 0;
    struct itimerspec soon = {.it_value = {0, 1000}};
    if (timerfd_settime(warm.timer, 0, &soon, NULL) != 0) fail("timer");
    if (read(warm.timer, &value, sizeof value) != sizeof value) fail("timer");
    snprintf(out, size, "%llu", (unsigned long long)value);
  } else if (!strcmp(line, "worker")) {
    snprintf(out, size, "%ld", ask_worker());
  } else if (!strcmp(line, "large")) {
    unsigned long sum = 0;
    for (size_t i = 0; i < warm.large_size; i += 4096) sum += warm.large[i]++;
    snprintf(out, size, "%lu", sum);
  } else if (!strcmp(line, "signal")) {
    raise(SIGUSR1);
    snprintf(out, size, "%d", (int)signals);
  } else if (!strcmp(line, "limit")) {
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    snprintf(out, size, "%ld", (long)r.rlim_cur);
  } else if (!strcmp(line, "interrupted")) {
    snprintf(out, size, "%ld", interrupted);
  } else if (!strcmp(line, "lost")) {
    snprintf(out, size, "%s", lost ? strerrorname_np(lost) : "none");
  } else if (!strcmp(line, "alarm")) {
    alarm(3600);
    snprintf(out, size, "armed");
  } else if (!strcmp(line, "memory file")) {
    snprintf(out, size, memfd_create("warm", 0) >= 0 ? "made" : "failed");
  } else if (!strcmp(line, "semaphore")) {
    snprintf(out, size, semget(IPC_PRIVATE, 1, 0600) >= 0 ? "made" : "failed");
  } else if (!strcmp(line, "shared memory")) {
    void* at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    snprintf(out, size, at != MAP_FAILED ? "made" : "failed");
  } else if (!strcmp(line, "watch")) {
    snprintf(out, size, inotify_init1(0) >= 0 ? "made" : "failed");
  } else if (!strcmp(line, "child")) {
    if (fork() == 0) pause();
    snprintf(out, size, "made");
  } else if (!strcmp(line, "exit")) {
    exit(3);
  } else {
    snprintf(out, size, "what?");
  }
}

static void set_up(const char* file, size_t large) {
  if (pipe2(warm.pipe, O_NONBLOCK) != 0 || write(warm.pipe[1], "left in", 7) != 7) fail("pipe");
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, warm.pair) != 0 || write(warm.pair[0], "waiting", 7) != 7)
    fail("pair");
  warm.event = eventfd(41, EFD_NONBLOCK);
  warm.timer = timerfd_create(CLOCK_MONOTONIC, 0);
  warm.urandom = open("/dev/urandom", O_RDONLY);
  warm.file = open(file, O_RDONLY);
  if (warm.event < 0 || warm.timer < 0 || warm.urandom < 0 || warm.file < 0) fail("descriptors");
  char skipped[4];
  if (read(warm.file, skipped, 4) != 4) fail("file");
  warm.wiped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (madvise(warm.wiped, 4096, MADV_WIPEONFORK) != 0) fail("MADV_WIPEONFORK");
  warm.wiped[0] = 77;
  warm.large_size = large;
  warm.large = mmap(NULL, large, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (size_t i = 0; i < large; i += 4096) warm.large[i] = 1;
  signal(SIGUSR1, on_signal);
  const struct rlimit limit = {33, 50};
  setrlimit(RLIMIT_NOFILE, &limit);
  pthread_t t;
  if (pthread_create(&t, NULL, sleeper, NULL) != 0) fail("thread");
  for (long i = 0; i < 2; ++i) {
    if (pthread_create(&t, NULL, worker, (void*)(i * 100)) != 0) fail("thread");
  }
}

static int serve(int fd) {
  char line[64] = "", out[256];
  const ssize_t n = recv(fd, line, sizeof line - 1, 0);
  if (n < 0) lost = errno;
  if (n <= 0) return -1;
  line[strcspn(line, "\r\n")] = 0;
  command(line, out, sizeof out - 1);
  strcat(out, "\n");
  return send(fd, out, strlen(out), MSG_NOSIGNAL) > 0 ? 0 : -1;
}

int main(int argc, char** argv) {
  set_up(argv[1], argc > 2 ? strtoul(argv[2], NULL, 10) << 20 : 3 << 20);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), set = epoll_create1(0);
  const struct sockaddr_in at = {
      .sin_family = AF_INET, .sin_port = htons(8080), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct epoll_event e = {.events = EPOLLIN, .data.fd = listener};
  if (bind(listener, (const struct sockaddr*)&at, sizeof at) != 0) fail("bind");
  if (epoll_ctl(set, EPOLL_CTL_ADD, listener, &e) != 0 || listen(listener, 16) != 0) fail("listen");
  for (;;) {
    if (epoll_wait(set, &e, 1, -1) != 1 && ++interrupted) continue;
    if (e.data.fd == listener) {
      const int fd = accept(listener, NULL, NULL);
      if (fd < 0) continue;
      e = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
      epoll_ctl(set, EPOLL_CTL_ADD, fd, &e);
    } else if (serve(e.data.fd) < 0) {
      close(e.data.fd);
    }
  }
}
