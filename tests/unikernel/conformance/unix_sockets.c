// AF_UNIX: paths, abstract names, datagrams, sequenced packets, descriptors between a program's own sockets.
// exercises: socket socketpair bind listen accept4 connect getsockname getpeername sendmsg recvmsg sendto recvfrom
// exercises: sendmmsg recvmmsg unlink stat getsockopt
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char* name(long r) {
  return r < 0 ? strerrorname_np(errno) : "ok";
}
static socklen_t address(struct sockaddr_un* a, const char* text, size_t size) {
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  memcpy(a->sun_path, text, size);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}
static void show(const char* what, const struct sockaddr_un* a, socklen_t size) {
  printf("%s: family %d size %d name ", what, a->sun_family, size);
  for (size_t i = 0; i + offsetof(struct sockaddr_un, sun_path) < size; ++i)
    putchar(a->sun_path[i] ? a->sun_path[i] : '@');
  putchar('\n');
}
static void names(const char* what, int fd) {
  struct sockaddr_un a = {0};
  socklen_t size = sizeof a;
  printf("getsockname %s\n", name(getsockname(fd, (void*)&a, &size)));
  show(what, &a, size);
  size = sizeof a;
  int r = getpeername(fd, (void*)&a, &size);
  printf("getpeername %s\n", name(r));
  if (r == 0) show(what, &a, size);
}

static void stream(const char* text, size_t length, int type) {
  struct sockaddr_un a, from = {0};
  socklen_t size = address(&a, text, length), from_size = sizeof from;
  int l = socket(AF_UNIX, type, 0), c = socket(AF_UNIX, type, 0);
  printf("too early %s\n", name(connect(c, (void*)&a, size)));
  printf("bind %s\n", name(bind(l, (void*)&a, size)));
  printf("bind again %s\n", name(bind(socket(AF_UNIX, type, 0), (void*)&a, size)));
  printf("not listening %s\n", name(connect(c, (void*)&a, size)));
  printf("listen %s\n", name(listen(l, 3)));
  printf("connect %s\n", name(connect(c, (void*)&a, size)));
  int s = accept4(l, (void*)&from, &from_size, SOCK_CLOEXEC);
  show("accepted", &from, from_size);
  names("client", c);
  names("server", s);
  struct ucred who;
  socklen_t who_size = sizeof who;
  getsockopt(s, SOL_SOCKET, SO_PEERCRED, &who, &who_size);
  printf("peer is us %d %d\n", who.pid == getpid(), who.uid == getuid());
  char buffer[32] = "";
  printf("send %zd", send(c, "one", 3, 0));
  printf(" %zd\n", send(c, "two", 3, 0));
  printf("recv %zd %s\n", recv(s, buffer, sizeof buffer, 0), buffer);
  close(c);
  printf("rest %zd", recv(s, buffer, sizeof buffer, 0));
  printf(" end %zd\n", recv(s, buffer, sizeof buffer, 0));
  printf("broken %s\n", name(send(s, "x", 1, MSG_NOSIGNAL)));
  close(s);
  close(l);
  c = socket(AF_UNIX, type, 0);
  printf("gone %s\n", name(connect(c, (void*)&a, size)));
  close(c);
  struct stat st;
  if (*text) {
    printf("file %s socket %d\n", name(stat(text, &st)), S_ISSOCK(st.st_mode));
    printf("open %s\n", name(open(text, O_RDONLY)));
    printf("unlink %s\n", name(unlink(text)));
    printf("unlink %s\n", name(unlink(text)));
    printf("file %s\n", name(stat(text, &st)));
  }
}

static void datagrams(const char* one, const char* two) {
  struct sockaddr_un a, b, from = {0};
  socklen_t a_size = address(&a, one, strlen(one) + 1), b_size = address(&b, two, strlen(two) + 1),
            size = sizeof from;
  int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0);
  char buffer[32] = "";
  printf("nobody %s\n", name(sendto(x, "x", 1, 0, (void*)&b, b_size)));
  printf("bind %s %s\n", name(bind(x, (void*)&a, a_size)), name(bind(y, (void*)&b, b_size)));
  printf("sendto %s\n", name(sendto(x, "to y", 4, 0, (void*)&b, b_size)));
  printf("recvfrom %zd %s\n", recvfrom(y, buffer, sizeof buffer, 0, (void*)&from, &size), buffer);
  show("from", &from, size);
  printf("unconnected %s\n", name(send(y, "x", 1, 0)));
  printf("connect %s\n", name(connect(y, (void*)&a, a_size)));
  struct iovec v[3] = {{"first", 5}, {"second", 6}, {"third", 5}};
  struct mmsghdr m[3] = {{{.msg_iov = v, .msg_iovlen = 1}, 0},
                         {{.msg_iov = v + 1, .msg_iovlen = 1}, 0},
                         {{.msg_iov = v + 2, .msg_iovlen = 1}, 0}};
  printf("sendmmsg %d lengths %u %u %u\n", sendmmsg(y, m, 3, 0), m[0].msg_len, m[1].msg_len, m[2].msg_len);
  char in[4][8] = {"", "", "", ""};
  struct iovec w[4];
  struct mmsghdr r[4];
  memset(r, 0, sizeof r);
  for (int i = 0; i < 4; ++i) {
    w[i] = (struct iovec){in[i], 5};
    r[i].msg_hdr.msg_iov = &w[i];
    r[i].msg_hdr.msg_iovlen = 1;
  }
  printf("recvmmsg %d\n", recvmmsg(x, r, 4, MSG_DONTWAIT, NULL));
  for (int i = 0; i < 3; ++i)
    printf("%u %.5s truncated %d\n", r[i].msg_len, in[i], !!(r[i].msg_hdr.msg_flags & MSG_TRUNC));
  printf("empty %s\n", name(recv(x, buffer, 4, MSG_DONTWAIT)));
  unlink(one);
  unlink(two);
  close(x);
  close(y);
}

static int pass(int over, const int* fds, int count, int flags) {
  char control[CMSG_SPACE(sizeof(int) * 8)] = "", byte = 'd';
  struct iovec v = {&byte, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control};
  m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
  struct cmsghdr* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
  memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
  return (int)sendmsg(over, &m, flags);
}
static int take(int from, int* fds, int room, int flags) {
  char control[CMSG_SPACE(sizeof(int) * 8)] = "", byte = 0;
  struct iovec v = {&byte, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control};
  m.msg_controllen = CMSG_LEN(sizeof(int) * (size_t)room);
  if (recvmsg(from, &m, flags) < 0) return -1;
  struct cmsghdr* c = CMSG_FIRSTHDR(&m);
  int count = c ? (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int)) : 0;
  if (c) memcpy(fds, CMSG_DATA(c), sizeof(int) * (size_t)count);
  printf("took %d truncated %d\n", count, !!(m.msg_flags & MSG_CTRUNC));
  return count;
}

static void rights(void) {
  int pair[2], pipes[2], got[8] = {0};
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  (void)!pipe(pipes);
  int event = eventfd(5, 0), sent[3] = {pipes[1], event, pair[0]};
  printf("pass %s\n", name(pass(pair[0], sent, 3, 0)));
  close(pipes[1]);
  close(event);
  take(pair[1], got, 3, MSG_CMSG_CLOEXEC);
  printf("close-on-exec %d\n", fcntl(got[0], F_GETFD));
  unsigned long long value = 0;
  (void)!read(got[1], &value, 8);
  printf("through the pipe %zd value %llu\n", write(got[0], "hi", 2), value);
  char buffer[8] = "";
  printf("%zd %s\n", read(pipes[0], buffer, sizeof buffer), buffer);
  printf("itself %zd\n", write(got[2], "s", 1));
  printf("%zd %c\n", read(pair[1], buffer, 1), buffer[0]);
  close(got[0]);
  printf("pipe ends %zd\n", read(pipes[0], buffer, 1));
  printf("bad %s\n", name(pass(pair[0], (int[]){99}, 1, 0)));
  pass(pair[0], (int[]){pipes[0], pipes[0]}, 2, 0);
  take(pair[1], got, 1, 0);  // room for one of two
  pass(pair[0], (int[]){pipes[0]}, 1, 0);
  printf("plain read %zd\n", read(pair[1], buffer, sizeof buffer));  // the descriptor is lost
  pass(pair[0], (int[]){pipes[0]}, 1, 0);
  close(pair[1]);
  printf("peer gone %s\n", name(pass(pair[0], (int[]){pipes[0]}, 1, MSG_NOSIGNAL)));
}

int main(void) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/osvm-conformance.sock");
  unlink(path);
  puts("-- path");
  stream(path, strlen(path) + 1, SOCK_STREAM);
  puts("-- abstract");
  stream("\0osvm conformance", 17, SOCK_STREAM);
  puts("-- packets");
  stream("\0osvm packets", 13, SOCK_SEQPACKET);
  puts("-- datagrams");
  datagrams("/tmp/osvm-conformance.one", "/tmp/osvm-conformance.two");
  puts("-- rights");
  rights();
  return 0;
}
