// Pipes, event and timer descriptors, memory files, and bytes that move between descriptors.
// exercises: pipe2 eventfd2 timerfd_create timerfd_settime timerfd_gettime memfd_create sendfile splice tee fcntl ioctl
// exercises: copy_file_range ftruncate pread64 pwrite64 lseek readv writev
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

static const char* name(long r) {
  return r < 0 ? strerrorname_np(errno) : "ok";
}

static void pipes(void) {
  int p[2], count = 0;
  char buffer[64] = "";
  pipe2(p, O_NONBLOCK);
  printf("size %d\n", fcntl(p[0], F_GETPIPE_SZ));
  printf("resized %d %d\n", fcntl(p[1], F_SETPIPE_SZ, 10000), fcntl(p[0], F_GETPIPE_SZ));
  printf("empty %s\n", name(read(p[0], buffer, 1)));
  printf("write %zd", write(p[1], "abc", 3));
  ioctl(p[0], FIONREAD, &count);
  printf(" waiting %d\n", count);
  struct iovec v[2] = {{buffer, 1}, {buffer + 10, 5}};
  printf("readv %zd %c %.2s\n", readv(p[0], v, 2), buffer[0], buffer + 10);
  printf("wrong way %s %s\n", name(write(p[0], "x", 1)), name(read(p[1], buffer, 1)));
  printf("no seek %s %s\n", name(lseek(p[0], 0, SEEK_SET)), name(pread(p[0], buffer, 1, 0)));
  int written = 0;
  for (ssize_t n; (n = write(p[1], buffer, sizeof buffer)) > 0;) written += (int)n;
  printf("full at %d %s\n", written, strerrorname_np(errno));
  close(p[1]);
  while (read(p[0], buffer, sizeof buffer) > 0) {
  }
  printf("end %zd\n", read(p[0], buffer, 1));
  int q[2];
  printf("packets %s\n", name(pipe2(q, O_DIRECT)));
  (void)!write(q[1], "one", 3);
  (void)!write(q[1], "two", 3);
  printf("packet %zd", read(q[0], buffer, sizeof buffer));
  printf(" %zd\n", read(q[0], buffer, sizeof buffer));
  printf("flags %s\n", name(pipe2(q, 0x1)));
  printf("not a terminal %s\n", name(ioctl(q[0], 0x5401, buffer)));
}

static void counters(void) {
  uint64_t value = 0;
  int e = eventfd(3, EFD_NONBLOCK);
  printf("read %zd", read(e, &value, 8));
  printf(" %llu, %s\n", (unsigned long long)value, name(read(e, &value, 8)));
  value = 0xfffffffffffffffe;
  printf("most %s, more %s\n", name(write(e, &value, 8)), name(write(e, &(uint64_t){1}, 8)));
  value = 0xffffffffffffffff;
  printf("too much %s, short %s\n", name(write(e, &value, 8)), name(write(e, &value, 4)));
  int s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  for (int i = 0; i < 3; ++i) printf("semaphore %zd\n", read(s, &value, 8));
  printf("flags %s\n", name(eventfd(0, 12345)));
}

static void timers(void) {
  int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  uint64_t value = 0;
  struct itimerspec when = {.it_value = {0, 5000000}, .it_interval = {0, 0}}, now, old;
  printf("not yet %s\n", name(read(t, &value, 8)));
  printf("set %s\n", name(timerfd_settime(t, 0, &when, &old)));
  struct pollfd p = {t, POLLIN, 0};
  printf("poll %d\n", poll(&p, 1, 5000));
  printf("read %zd", read(t, &value, 8));
  printf(" %llu\n", (unsigned long long)value);
  timerfd_gettime(t, &now);
  printf("over %ld %ld\n", (long)now.it_value.tv_sec, (long)now.it_value.tv_nsec);
  when.it_value.tv_nsec = 1000000000;
  printf("invalid %s\n", name(timerfd_settime(t, 0, &when, NULL)));
  printf("write %s\n", name(write(t, &value, 8)));
  printf("clock %s flags %s\n", name(timerfd_create(99, 0)), name(timerfd_create(CLOCK_MONOTONIC, 12345)));
  printf("no timer %s\n", name(timerfd_settime(1, 0, &old, NULL)));
}

static int memory_file(void) {
  int m = memfd_create("example", MFD_ALLOW_SEALING | MFD_CLOEXEC);
  struct stat st;
  char buffer[16] = "";
  printf("memfd %s cloexec %d\n", name(m), fcntl(m, F_GETFD));
  printf("write %zd\n", write(m, "0123456789", 10));
  printf("pread %zd %.4s\n", pread(m, buffer, 4, 3), buffer);
  printf("pwrite %zd position %ld\n", pwrite(m, "AB", 2, 1), (long)lseek(m, 0, SEEK_CUR));
  fstat(m, &st);
  printf("size %ld regular %d\n", (long)st.st_size, S_ISREG(st.st_mode));
  printf("grow %s\n", name(ftruncate(m, 5000)));
  char* p = mmap(NULL, 5000, PROT_READ, MAP_PRIVATE, m, 0);
  printf("mapped %.10s %d\n", p, p[4999]);
  printf("seal %s\n", name(fcntl(m, F_ADD_SEALS, F_SEAL_GROW)));
  printf("grow %s shrink %s seals %d\n", name(ftruncate(m, 6000)), name(ftruncate(m, 10)),
         fcntl(m, F_GET_SEALS));
  printf("no seals %s\n", name(fcntl(1, F_ADD_SEALS, F_SEAL_GROW)));
  printf("unknown flag %s\n", name(memfd_create("x", 0x8000)));
  return m;
}

static void moving(int m) {
  int pair[2], p[2], q[2];
  char buffer[64] = "";
  off_t offset = 2;
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  pipe2(p, O_NONBLOCK);
  pipe2(q, O_NONBLOCK);
  printf("sendfile %zd offset %ld\n", sendfile(pair[0], m, &offset, 5), (long)offset);
  printf("%zd %.5s\n", read(pair[1], buffer, sizeof buffer), buffer);
  lseek(m, 0, SEEK_SET);
  printf("to a pipe %zd position %ld\n", sendfile(p[1], m, NULL, 4), (long)lseek(m, 0, SEEK_CUR));
  printf("tee %zd", tee(p[0], q[1], 10, 0));
  printf(" splice %zd\n", splice(p[0], NULL, pair[0], NULL, 10, 0));
  printf("%zd %.4s", read(pair[1], buffer, sizeof buffer), buffer);
  printf(" %zd %.4s\n", read(q[0], buffer, sizeof buffer), buffer);
  offset = 6;
  printf("from a file %zd\n", splice(m, &offset, p[1], NULL, 3, 0));
  printf("%zd %.3s offset %ld\n", read(p[0], buffer, sizeof buffer), buffer, (long)offset);
  printf("from a pipe to itself %s\n", name(sendfile(pair[0], p[0], NULL, 1)));
  printf("no pipe %s\n", name(splice(pair[0], NULL, pair[1], NULL, 1, 0)));
  int n = memfd_create("copy", 0);
  off_t from = 0;
  printf("copy %zd\n", copy_file_range(m, &from, n, NULL, 8, 0));
  printf("%zd %.8s\n", pread(n, buffer, sizeof buffer, 0), buffer);
}

int main(void) {
  pipes();
  counters();
  timers();
  moving(memory_file());
  return 0;
}
