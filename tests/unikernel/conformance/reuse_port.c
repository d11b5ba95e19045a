// SO_REUSEPORT: listeners that share a port get all of its connections between them.
// exercises: setsockopt bind listen accept4 poll
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { clients = 16 };
static struct sockaddr_in address = {.sin_family = AF_INET};

static int listener(int shares, const char* what) {
  const int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &shares, sizeof shares);
  const int r = bind(s, (struct sockaddr*)&address, sizeof address);
  printf("%s: bind %d listen %d\n", what, r ? -errno : 0, r ? -1 : listen(s, 64));
  return s;
}

int main(void) {
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int s[2] = {listener(1, "first"), -1};
  socklen_t size = sizeof address;
  getsockname(s[0], (struct sockaddr*)&address, &size);
  s[1] = listener(1, "second");
  close(listener(0, "without the option"));
  struct sockaddr_in same;
  size = sizeof same;
  getsockname(s[1], (struct sockaddr*)&same, &size);
  printf("one port %d\n", same.sin_port == address.sin_port);

  int connected = 0, accepted = 0, fds[clients];
  for (int i = 0; i < clients; ++i) {
    fds[i] = socket(AF_INET, SOCK_STREAM, 0);
    connected += connect(fds[i], (struct sockaddr*)&address, sizeof address) == 0;
  }
  while (accepted < clients) {
    struct pollfd p[2] = {{s[0], POLLIN, 0}, {s[1], POLLIN, 0}};
    if (poll(p, 2, 20000) <= 0) break;
    for (int i = 0; i < 2; ++i) {
      const int c = accept4(s[i], NULL, NULL, SOCK_CLOEXEC);
      if (c < 0) continue;
      ++accepted;
      close(c);
    }
  }
  printf("connected %d accepted %d\n", connected, accepted);

  close(s[0]);
  const int c = socket(AF_INET, SOCK_STREAM, 0);
  printf("after one closed: connect %d\n",
         connect(c, (struct sockaddr*)&address, sizeof address) ? -errno : 0);
  struct pollfd p = {s[1], POLLIN, 0};
  printf("poll %d\n", poll(&p, 1, 20000));
  printf("accept %d\n", accept(s[1], NULL, NULL) >= 0);
  return 0;
}
