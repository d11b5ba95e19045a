// 64 bytes there and back over TCP: a server, and a client that times every round.
//
//   echo_rtt serve ADDRESS PORT      echoes what one connection after another sends; says "listening"
//   echo_rtt ADDRESS PORT ROUNDS     prints the nanoseconds of each round, one a line
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { message = 64 };

static void die(const char* what) {
  perror(what);
  exit(1);
}

static struct sockaddr_in address(const char* ip, const char* port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
  if (inet_pton(AF_INET, ip, &a.sin_addr) != 1) die("address");
  return a;
}

static int no_delay(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static int whole(int fd, char* buffer, ssize_t (*move)(int, void*, size_t, int)) {
  for (size_t done = 0; done < message;) {
    ssize_t n = move(fd, buffer + done, message - done, MSG_NOSIGNAL);
    if (n <= 0) return 0;
    done += (size_t)n;
  }
  return 1;
}

static ssize_t send_some(int fd, void* data, size_t size, int flags) {
  return send(fd, data, size, flags);
}

static void serve(const char* ip, const char* port) {
  struct sockaddr_in a = address(ip, port);
  int one = 1, l = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(l, (struct sockaddr*)&a, sizeof a) < 0) die("bind");
  if (listen(l, 16) < 0) die("listen");
  puts("listening");
  fflush(stdout);
  for (;;) {
    char buffer[message];
    int fd = no_delay(accept(l, NULL, NULL));
    if (fd < 0) die("accept");
    while (whole(fd, buffer, recv) && whole(fd, buffer, send_some)) {
    }
    close(fd);
  }
}

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "serve") == 0) serve(argv[2], argv[3]);
  if (argc != 4) {
    fputs("usage: echo_rtt serve ADDRESS PORT | echo_rtt ADDRESS PORT ROUNDS\n", stderr);
    return 2;
  }
  struct sockaddr_in a = address(argv[1], argv[2]);
  int fd = no_delay(socket(AF_INET, SOCK_STREAM, 0)), rounds = atoi(argv[3]);
  if (connect(fd, (struct sockaddr*)&a, sizeof a) < 0) die("connect");
  for (int i = 0; i < rounds; ++i) {
    char sent[message], got[message];
    memset(sent, 'a' + i % 26, sizeof sent);
    long long begin = now();
    if (!whole(fd, sent, send_some) || !whole(fd, got, recv)) die("echo");
    long long end = now();
    if (memcmp(sent, got, message) != 0) die("the echo is not what was sent");
    printf("%lld\n", end - begin);
  }
  return 0;
}
