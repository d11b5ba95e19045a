// epoll: levels and edges, one shot, nested sets, duplicates, closing, and what epoll_ctl refuses; select and
// poll.
// exercises: epoll_create1 epoll_ctl epoll_wait epoll_pwait poll ppoll select pselect6 eventfd2 dup dup2 dup3 close
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char* name(long r) {
  return r < 0 ? strerrorname_np(errno) : "ok";
}
static int control(int set, int operation, int fd, uint32_t events, uint64_t data) {
  struct epoll_event e = {.events = events, .data.u64 = data};
  return epoll_ctl(set, operation, fd, &e);
}
static void ready(const char* what, int set, int timeout) {
  struct epoll_event e[8];
  int n = epoll_wait(set, e, 8, timeout);
  printf("%s: %d", what, n);
  for (int i = 0; i < n; ++i) printf(" [%llu %x]", (unsigned long long)e[i].data.u64, e[i].events);
  putchar('\n');
}

static void modes(void) {
  int set = epoll_create1(0), pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  control(set, EPOLL_CTL_ADD, pair[0], EPOLLIN, 1);
  ready("quiet", set, 0);
  (void)!write(pair[1], "ab", 2);
  ready("level", set, 1000);
  ready("level again", set, 0);
  control(set, EPOLL_CTL_MOD, pair[0], EPOLLIN | EPOLLET, 2);
  ready("edge", set, 0);
  ready("edge again", set, 0);
  (void)!write(pair[1], "c", 1);
  ready("edge after more", set, 1000);
  control(set, EPOLL_CTL_MOD, pair[0], EPOLLIN | EPOLLONESHOT, 3);
  ready("once", set, 0);
  ready("once again", set, 0);
  control(set, EPOLL_CTL_MOD, pair[0], EPOLLIN | EPOLLOUT, 4);
  ready("armed again", set, 0);
  shutdown(pair[1], SHUT_WR);
  control(set, EPOLL_CTL_MOD, pair[0], EPOLLIN | EPOLLRDHUP, 5);
  ready("peer stopped", set, 1000);
  close(pair[1]);
  ready("peer gone", set, 1000);
  int copy = dup(pair[0]);
  close(pair[0]);
  ready("a duplicate keeps it", set, 0);
  close(copy);
  ready("gone", set, 0);
  close(set);
}

static void nested(void) {
  int outer = epoll_create1(0), inner = epoll_create1(0), event = eventfd(0, 0);
  uint64_t one = 1;
  control(inner, EPOLL_CTL_ADD, event, EPOLLIN, 1);
  printf("nest %s\n", name(control(outer, EPOLL_CTL_ADD, inner, EPOLLIN, 2)));
  printf("loop %s\n", name(control(inner, EPOLL_CTL_ADD, outer, EPOLLIN, 3)));
  ready("outer quiet", outer, 0);
  (void)!write(event, &one, 8);
  ready("outer", outer, 1000);
  ready("inner", inner, 0);
  struct pollfd p = {outer, POLLIN, 0};
  printf("poll on a set %d %x\n", poll(&p, 1, 0), p.revents);
  close(inner);
  ready("after", outer, 0);
}

static void errors(void) {
  int set = epoll_create1(0), event = eventfd(0, 0), file = open("/etc/passwd", O_RDONLY),
      other = eventfd(0, 0);
  struct epoll_event e;
  printf("add %s\n", name(control(set, EPOLL_CTL_ADD, event, EPOLLIN, 0)));
  printf("add twice %s\n", name(control(set, EPOLL_CTL_ADD, event, EPOLLIN, 0)));
  printf("file %s\n", name(control(set, EPOLL_CTL_ADD, file, EPOLLIN, 0)));
  printf("itself %s\n", name(control(set, EPOLL_CTL_ADD, set, EPOLLIN, 0)));
  printf("mod missing %s\n", name(control(set, EPOLL_CTL_MOD, other, EPOLLIN, 0)));
  printf("bad %s %s\n", name(control(set, EPOLL_CTL_ADD, 99, EPOLLIN, 0)),
         name(control(99, EPOLL_CTL_ADD, event, 0, 0)));
  printf("no set %s\n", name(control(event, EPOLL_CTL_ADD, set, EPOLLIN, 0)));
  printf("operation %s\n", name(control(set, 77, event, EPOLLIN, 0)));
  printf("exclusive mod %s\n", name(control(set, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLEXCLUSIVE, 0)));
  printf("del %s %s\n", name(epoll_ctl(set, EPOLL_CTL_DEL, event, NULL)),
         name(epoll_ctl(set, EPOLL_CTL_DEL, event, NULL)));
  printf("exclusive %s\n", name(control(set, EPOLL_CTL_ADD, event, EPOLLIN | EPOLLEXCLUSIVE, 0)));
  printf("none wanted %s\n", name(epoll_wait(set, &e, 0, 0)));
  printf("null %s\n", name(epoll_ctl(set, EPOLL_CTL_ADD, file, NULL)));
  printf("create %s %s\n", name(epoll_create1(1)), name(epoll_create(0)));
}

static void waiting(void) {
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  struct pollfd p[3] = {{pair[0], POLLIN | POLLOUT, 0}, {-1, POLLIN, 0}, {99, POLLIN, 0}};
  printf("poll %d %x %x %x\n", poll(p, 3, 0), p[0].revents, p[1].revents, p[2].revents);
  struct timespec begin, end, t = {0, 20000000};
  clock_gettime(CLOCK_MONOTONIC, &begin);
  p[0].events = POLLIN;
  printf("ppoll %d\n", ppoll(p, 1, &t, NULL));
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("waited %d\n", (end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec >= 20000000);
  fd_set in, out;
  FD_ZERO(&in);
  FD_ZERO(&out);
  FD_SET(pair[0], &in);
  FD_SET(pair[0], &out);
  struct timeval now = {0, 0};
  printf("select %d in %d out %d\n", select(pair[0] + 1, &in, &out, NULL, &now), !!FD_ISSET(pair[0], &in),
         !!FD_ISSET(pair[0], &out));
  (void)!write(pair[1], "x", 1);
  FD_SET(pair[0], &in);
  FD_ZERO(&out);
  printf("pselect %d in %d\n", pselect(pair[0] + 1, &in, &out, NULL, NULL, NULL), !!FD_ISSET(pair[0], &in));
  // Linux overlooks numbers beyond the process's table, which holds 64 or what it inherited.
  FD_SET(63, &in);
  printf("bad %s\n", name(select(64, &in, NULL, NULL, &now)));
  printf("negative %s\n", name(select(-1, NULL, NULL, NULL, &now)));
}

static void duplicates(void) {
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  printf("dup3 same %s\n", name(dup3(pair[0], pair[0], 0)));
  printf("dup2 same %d\n", dup2(pair[0], pair[0]) == pair[0]);
  printf("dup2 to 50 %d\n", dup2(pair[0], 50));
  printf("shared flags %d\n", (fcntl(50, F_SETFL, O_NONBLOCK), !!(fcntl(pair[0], F_GETFL) & O_NONBLOCK)));
  printf("dupfd %d\n", fcntl(pair[0], F_DUPFD, 40));
  int c = fcntl(pair[0], F_DUPFD_CLOEXEC, 60);
  printf("cloexec %d flags %d %d\n", c, fcntl(c, F_GETFD), fcntl(50, F_GETFD));
  printf("bad %s %s\n", name(dup(99)), name(dup2(99, 3)));
  close(pair[0]);
  printf("still open %zd\n", write(50, "x", 1));
}

int main(void) {
  modes();
  nested();
  errors();
  waiting();
  duplicates();
  return 0;
}
