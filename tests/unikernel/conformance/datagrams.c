// UDP inside one process.
// exercises: socket bind connect sendto recvfrom sendmsg recvmsg getsockname getpeername poll close
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char* name(long r) {
  return r < 0 ? strerrorname_np(errno) : "ok";
}
static struct sockaddr_in at(int port) {
  return (struct sockaddr_in){.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons((unsigned short)port)};
}
static int port_of(int fd) {
  struct sockaddr_in a = {0};
  socklen_t size = sizeof a;
  getsockname(fd, (void*)&a, &size);
  return ntohs(a.sin_port);
}

int main(void) {
  int server = socket(AF_INET, SOCK_DGRAM, 0), client = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in a = at(0), from = {0};
  socklen_t size = sizeof from;
  char buffer[64] = "";
  int count = 0;
  printf("bind %s\n", name(bind(server, (void*)&a, sizeof a)));
  a = at(port_of(server));
  printf("no name %d\n", port_of(client));
  printf("no destination %s\n", name(send(client, "x", 1, 0)));
  printf("sendto %zd\n", sendto(client, "ping", 4, 0, (void*)&a, sizeof a));
  printf("named %d\n", port_of(client) > 0);
  struct pollfd p = {server, POLLIN, 0};
  printf("poll %d %x\n", poll(&p, 1, 1000), p.revents);
  ioctl(server, FIONREAD, &count);
  printf("waiting %d\n", count);
  printf("recvfrom %zd %s\n", recvfrom(server, buffer, sizeof buffer, 0, (void*)&from, &size), buffer);
  printf("from size %d %s %d\n", size, inet_ntoa(from.sin_addr), ntohs(from.sin_port) == port_of(client));
  printf("answer %zd\n", sendto(server, "pong", 4, 0, (void*)&from, size));
  printf("connect %s\n", name(connect(client, (void*)&a, sizeof a)));
  memset(buffer, 0, sizeof buffer);
  printf("recv %zd %s\n", recv(client, buffer, sizeof buffer, 0), buffer);
  int stranger = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in back = at(port_of(client));
  sendto(stranger, "not for you", 11, 0, (void*)&back, sizeof back);
  printf("only the peer %s\n", name(recv(client, buffer, sizeof buffer, MSG_DONTWAIT)));
  printf("send %zd\n", send(client, "abcdef", 6, 0));
  printf("short %zd", recv(server, buffer, 3, MSG_TRUNC));
  printf(" %.3s\n", buffer);
  printf("empty %zd", send(client, "", 0, 0));
  printf(" %zd\n", recv(server, buffer, sizeof buffer, 0));
  struct sockaddr none = {.sa_family = AF_UNSPEC};
  printf("disconnect %s\n", name(connect(client, &none, sizeof none)));
  printf("peer %s\n", name(getpeername(client, (void*)&from, &size)));
  printf("taken %s\n", name(bind(stranger, (void*)&a, sizeof a)));
  close(server);
  int lost = socket(AF_INET, SOCK_DGRAM, 0);
  connect(lost, (void*)&a, sizeof a);
  printf("to nobody %zd\n", send(lost, "x", 1, 0));
  printf("refused %s\n", name(recv(lost, buffer, 1, 0)));
  printf("once %s\n", name(recv(lost, buffer, 1, MSG_DONTWAIT)));
  printf("listen %s\n", name(listen(lost, 1)));
  return 0;
}
