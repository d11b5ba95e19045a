// TCP inside one process: both families, names, options, errors, and the ways a connection ends.
// exercises: socket bind listen accept accept4 connect getsockname getpeername setsockopt getsockopt shutdown
// exercises: sendto recvfrom sendmsg recvmsg poll fcntl ioctl close read write
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static const char* name(int r) {
  return r < 0 ? strerrorname_np(errno) : "ok";
}

static void show(const char* what, int fd, int (*ask)(int, struct sockaddr*, socklen_t*), int port) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } a = {0};
  socklen_t size = sizeof a;
  char text[64] = "";
  int r = ask(fd, &a.any, &size), p = 0;
  if (r == 0 && a.any.sa_family == AF_INET) {
    inet_ntop(AF_INET, &a.v4.sin_addr, text, sizeof text);
    p = ntohs(a.v4.sin_port);
  } else if (r == 0) {
    inet_ntop(AF_INET6, &a.v6.sin6_addr, text, sizeof text);
    p = ntohs(a.v6.sin6_port);
  }
  printf("%s: %s family %d size %d %s %s\n", what, name(r), a.any.sa_family, size, text,
         p == port ? "the port"
         : p       ? "some port"
                   : "no port");
}

static int listener(int family, int* port) {
  int fd = socket(family, SOCK_STREAM, 0);
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  printf("bind %s\n",
         name(family == AF_INET ? bind(fd, (void*)&v4, sizeof v4) : bind(fd, (void*)&v6, sizeof v6)));
  printf("listen %s\n", name(listen(fd, 5)));
  struct sockaddr_in6 got;
  socklen_t size = sizeof got;
  getsockname(fd, (void*)&got, &size);
  *port = ntohs(got.sin6_port);
  return fd;
}

static int dial(int family, int port, int flags) {
  int fd = socket(family, SOCK_STREAM | flags, 0);
  struct sockaddr_in v4 = {
      .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
  struct sockaddr_in6 v6 = {
      .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = htons(port)};
  int r = family == AF_INET ? connect(fd, (void*)&v4, sizeof v4) : connect(fd, (void*)&v6, sizeof v6);
  if (r < 0 && errno == EINPROGRESS) {
    struct pollfd p = {fd, POLLOUT, 0};
    poll(&p, 1, 5000);
    int e = -1;
    socklen_t size = sizeof e;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &size);
    errno = e;
    r = e ? -1 : 0;
  }
  printf("connect %s\n", name(r));
  return fd;
}

static int option(int fd, int level, int what) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, level, what, &value, &size) < 0 ? -errno : value;
}

static void options(int fd) {
  int one = 1;
  struct linger l = {1, 7};
  struct timeval t = {1, 500000};
  printf("type %d domain %d protocol %d accepting %d\n", option(fd, SOL_SOCKET, SO_TYPE),
         option(fd, SOL_SOCKET, SO_DOMAIN), option(fd, SOL_SOCKET, SO_PROTOCOL),
         option(fd, SOL_SOCKET, SO_ACCEPTCONN));
  printf("error %d keepalive %d nodelay %d\n", option(fd, SOL_SOCKET, SO_ERROR),
         option(fd, SOL_SOCKET, SO_KEEPALIVE), option(fd, IPPROTO_TCP, TCP_NODELAY));
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  printf("linger %s\n", name(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l)));
  printf("timeout %s\n", name(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t)));
  memset(&l, 0, sizeof l);
  memset(&t, 0, sizeof t);
  socklen_t size = sizeof l;
  getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &size);
  size = sizeof t;
  getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, &size);
  printf("keepalive %d nodelay %d linger %d %d timeout %ld %ld\n", option(fd, SOL_SOCKET, SO_KEEPALIVE),
         option(fd, IPPROTO_TCP, TCP_NODELAY), l.l_onoff, l.l_linger, (long)t.tv_sec, (long)t.tv_usec);
  printf("unknown %s\n", name(setsockopt(fd, SOL_SOCKET, 9999, &one, sizeof one)));
  printf("short %s\n", name(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, 1)));
}

static void exchange(int a, int b) {
  char buffer[64] = "";
  int count = -1;
  printf("send %zd\n", send(a, "hello world", 11, 0));
  struct pollfd p = {b, POLLIN | POLLOUT, 0};
  printf("poll %d events %x\n", poll(&p, 1, 1000), p.revents);
  ioctl(b, FIONREAD, &count);
  printf("waiting %d\n", count);
  printf("peek %zd\n", recv(b, buffer, 5, MSG_PEEK));
  printf("recv %zd %.11s\n", recv(b, buffer, sizeof buffer, 0), buffer);
  printf("dontwait %s\n", name(recv(b, buffer, sizeof buffer, MSG_DONTWAIT)));
  struct iovec v[2] = {{"ab", 2}, {"cdef", 4}};
  struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
  printf("sendmsg %zd\n", sendmsg(b, &m, 0));
  printf("waitall %zd %.6s\n", recv(a, buffer, 6, MSG_WAITALL), buffer);
  printf("write %zd\n", write(a, "xyz", 3));
  printf("read %zd %.3s\n", read(b, buffer, sizeof buffer), buffer);
}

static void ending(int a, int b) {
  char c;
  printf("shutdown %s\n", name(shutdown(a, SHUT_WR)));
  printf("end %zd\n", recv(b, &c, 1, 0));
  printf("after %s\n", name(send(a, "x", 1, MSG_NOSIGNAL)));
  printf("back %zd\n", send(b, "y", 1, 0));
  printf("got %zd %c\n", recv(a, &c, 1, 0), c);
  printf("badly %s\n", name(shutdown(a, 9)));
  close(b);
  printf("closed %zd\n", recv(a, &c, 1, 0));
}

static void family(int af) {
  int port = 0, l = listener(af, &port), c = dial(af, port, 0);
  show("listener", l, getsockname, port);
  show("client is", c, getsockname, port);
  show("client to", c, getpeername, port);
  struct sockaddr_in6 peer = {0};
  socklen_t size = sizeof peer;
  int s = accept4(l, (void*)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  struct sockaddr_in6 own = {0};
  socklen_t own_size = sizeof own;
  getsockname(c, (void*)&own, &own_size);
  printf("accept %s size %d same name %d\n", name(s), size, !memcmp(&peer, &own, size));
  printf("flags %x %x\n", fcntl(s, F_GETFL) & O_NONBLOCK, fcntl(s, F_GETFD));
  fcntl(s, F_SETFL, fcntl(s, F_GETFL) & ~O_NONBLOCK);
  show("server is", s, getsockname, port);
  options(c);
  exchange(c, s);
  ending(c, s);
  printf("again %s\n", name(connect(c, (void*)&peer, size)));
  close(c);
  int n = dial(af, port, SOCK_NONBLOCK);
  fcntl(l, F_SETFL, O_NONBLOCK);
  s = accept(l, NULL, NULL);
  printf("second %s\n", name(s));
  printf("none left %s\n", name(accept(l, NULL, NULL)));
  close(n);
  close(s);
  printf("in use %s\n", name(bind(socket(af, SOCK_STREAM, 0), (void*)&own, 2)));
  close(l);
  dial(af, port, 0);
}

static void errors(void) {
  char c;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int s = socket(AF_INET, SOCK_STREAM, 0);
  printf("recv %s\n", name(recv(s, &c, 1, 0)));
  printf("send %s\n", name(send(s, &c, 1, MSG_NOSIGNAL)));
  printf("peer %s\n", name(getpeername(s, (void*)&a, &(socklen_t){sizeof a})));
  printf("accept %s\n", name(accept(s, NULL, NULL)));
  printf("shutdown %s\n", name(shutdown(s, SHUT_RD)));
  printf("not a socket %s\n", name(send(1, &c, 1, 0)));
  printf("bad %s\n", name(send(99, &c, 1, 0)));
  printf("bind %s\n", name(bind(s, (void*)&a, sizeof a)));
  printf("twice %s\n", name(bind(s, (void*)&a, sizeof a)));
  printf("type %s\n", name(socket(AF_INET, 77, 0)));
  printf("protocol %s\n", name(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP)));
  printf("listen unbound %s\n", name(listen(socket(AF_INET, SOCK_STREAM, 0), 1)));
}

// A server and its client as threads: more bytes than any buffer holds.
static void* pump(void* argument) {
  int fd = *(int*)argument;
  char block[10000];
  memset(block, 'p', sizeof block);
  for (int i = 0; i < 200; ++i) {
    size_t done = 0;
    while (done < sizeof block) done += (size_t)write(fd, block + done, sizeof block - done);
  }
  shutdown(fd, SHUT_WR);
  return NULL;
}

static void mapped(void) {  // an IPv4 client of an IPv6 listener
  int l = socket(AF_INET6, SOCK_STREAM, 0);
  struct sockaddr_in6 any = {.sin6_family = AF_INET6};
  socklen_t size = sizeof any;
  printf("bind any %s listen %s\n", name(bind(l, (void*)&any, sizeof any)), name(listen(l, 1)));
  getsockname(l, (void*)&any, &size);
  int c = dial(AF_INET, ntohs(any.sin6_port), 0);
  int s = accept(l, NULL, NULL);
  show("mapped peer", s, getpeername, -1);
  show("mapped own", s, getsockname, ntohs(any.sin6_port));
  pthread_t t;
  pthread_create(&t, NULL, pump, &c);
  char block[4096];
  long sum = 0;
  for (ssize_t n; (n = read(s, block, sizeof block)) > 0;) sum += n;
  pthread_join(t, NULL);
  printf("pumped %ld\n", sum);
}

int main(void) {
  family(AF_INET);
  family(AF_INET6);
  errors();
  mapped();
  return 0;
}
