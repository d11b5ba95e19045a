// Stream echo over AF_VSOCK (or TCP), one thread per connection.
//
//   vsock_echo PORT                 listens on vsock port PORT
//   vsock_echo --tcp PORT           listens on TCP port PORT
//   vsock_echo --connect PORT TEXT  connects to port PORT of the host (cid 2), sends TEXT, prints the answer
//   vsock_echo --cid                prints what getsockname says about a bound vsock socket
//
// A connection that begins with "sink\n" is read to its end and answered with the number of bytes; "source
// N\n" is answered with N bytes; everything else is echoed.
#define _GNU_SOURCE
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// <linux/vm_sockets.h> is not on every build machine's include path of musl; the layout is ABI.
struct vm_address {
  unsigned short family, reserved;
  unsigned int port, cid;
  unsigned char flags, zero[3];
};
enum { af_vsock = 40, cid_any = -1, cid_host = 2, buffer_bytes = 262144 };

static void die(const char* what) {
  perror(what);
  exit(1);
}

static bool send_all(int fd, const char* data, size_t size) {
  while (size) {
    ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
    if (n <= 0) return false;
    data += n;
    size -= (size_t)n;
  }
  return true;
}

static void sink(int fd, char* buffer, uint64_t already) {
  uint64_t total = already;
  ssize_t n;
  while ((n = recv(fd, buffer, buffer_bytes, 0)) > 0) total += (uint64_t)n;
  char text[32];
  send_all(fd, text, (size_t)snprintf(text, sizeof text, "%llu\n", (unsigned long long)total));
}

static void source(int fd, char* buffer, uint64_t total) {
  for (size_t i = 0; i < buffer_bytes; i++) buffer[i] = (char)('a' + i % 26);
  while (total) {
    size_t n = total < buffer_bytes ? (size_t)total : buffer_bytes;
    if (!send_all(fd, buffer, n)) return;
    total -= n;
  }
}

// Could `data` still become a command line?
static bool is_command_prefix(const char* data, size_t size) {
  if (memchr(data, '\n', size) || size > 32) return false;
  return strncmp(data, "sink\n", size) == 0 || strncmp(data, "source ", size < 7 ? size : 7) == 0;
}

static void* serve(void* argument) {
  int fd = (int)(intptr_t)argument;
  char* buffer = malloc(buffer_bytes + 1);
  if (!buffer) die("malloc");
  size_t size = 0;
  ssize_t n;
  do {
    n = recv(fd, buffer + size, buffer_bytes - size, 0);
    if (n > 0) size += (size_t)n;
  } while (n > 0 && is_command_prefix(buffer, size));
  buffer[size] = 0;
  if (strncmp(buffer, "sink\n", 5) == 0)
    sink(fd, buffer, size - 5);
  else if (strncmp(buffer, "source ", 7) == 0)
    source(fd, buffer, strtoull(buffer + 7, NULL, 10));
  else
    while (size && send_all(fd, buffer, size) && (n = recv(fd, buffer, buffer_bytes, 0)) > 0)
      size = (size_t)n;
  free(buffer);
  close(fd);
  return NULL;
}

static int listen_vsock(unsigned port) {
  struct vm_address a = {.family = af_vsock, .port = port, .cid = (unsigned)cid_any};
  int fd = socket(af_vsock, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket(AF_VSOCK)");
  if (bind(fd, (struct sockaddr*)&a, 16) < 0) die("bind");
  if (listen(fd, 128) < 0) die("listen");
  return fd;
}

static int listen_tcp(unsigned port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket(AF_INET)");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr*)&a, sizeof a) < 0) die("bind");
  if (listen(fd, 128) < 0) die("listen");
  return fd;
}

static int connect_to_host(unsigned port, const char* text) {
  struct vm_address a = {.family = af_vsock, .port = port, .cid = cid_host};
  int fd = socket(af_vsock, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket(AF_VSOCK)");
  if (connect(fd, (struct sockaddr*)&a, 16) < 0) die("connect");
  if (!send_all(fd, text, strlen(text)) || shutdown(fd, SHUT_WR) < 0) die("send");
  char buffer[4096];
  ssize_t n;
  while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
    if (fwrite(buffer, 1, (size_t)n, stdout) != (size_t)n) die("write");
  return n < 0;
}

static int print_name(void) {
  struct vm_address a = {.family = af_vsock, .port = (unsigned)cid_any, .cid = (unsigned)cid_any};
  socklen_t size = 16;
  int fd = socket(af_vsock, SOCK_STREAM, 0);
  if (fd < 0) die("socket(AF_VSOCK)");
  if (bind(fd, (struct sockaddr*)&a, 16) < 0) die("bind");
  if (getsockname(fd, (struct sockaddr*)&a, &size) < 0) die("getsockname");
  printf("family %u size %u cid %u\n", a.family, size, a.cid);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "--connect") == 0)
    return connect_to_host((unsigned)atoi(argv[2]), argv[3]);
  if (argc == 2 && strcmp(argv[1], "--cid") == 0) return print_name();
  bool tcp = argc == 3 && strcmp(argv[1], "--tcp") == 0;
  if (argc != 2 && !tcp) {
    fputs("usage: vsock_echo [--tcp] PORT | --connect PORT TEXT | --cid\n", stderr);
    return 2;
  }
  unsigned port = (unsigned)atoi(argv[argc - 1]);
  int listener = tcp ? listen_tcp(port) : listen_vsock(port);
  signal(SIGPIPE, SIG_IGN);
  printf("listening on port %u\n", port);
  fflush(stdout);
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) die("accept4");
    pthread_t t;
    if (pthread_create(&t, NULL, serve, (void*)(intptr_t)fd) != 0)
      close(fd);
    else
      pthread_detach(t);
  }
}
