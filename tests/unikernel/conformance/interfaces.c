// What getaddrinfo() and getifaddrs() find, as far as it is the same on every machine.
// exercises: socket bind sendto recvmsg getsockname
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(void) {
  struct ifaddrs* all = NULL;
  printf("getifaddrs %d\n", getifaddrs(&all));
  for (struct ifaddrs* i = all; i; i = i->ifa_next) {
    char text[64] = "";
    if (strcmp(i->ifa_name, "lo") != 0 || !i->ifa_addr || i->ifa_addr->sa_family != AF_INET) continue;
    inet_ntop(AF_INET, &((struct sockaddr_in*)i->ifa_addr)->sin_addr, text, sizeof text);
    printf("%s %s up %d loopback %d\n", i->ifa_name, text, !!(i->ifa_flags & IFF_UP),
           !!(i->ifa_flags & IFF_LOOPBACK));
  }
  freeifaddrs(all);
  printf("index of lo %u\n", if_nametoindex("lo"));
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
  printf("getaddrinfo %d\n", getaddrinfo("localhost", "80", &hints, &list));
  for (struct addrinfo* i = list; i; i = i->ai_next)
    printf("%s %d\n", inet_ntoa(((struct sockaddr_in*)i->ai_addr)->sin_addr),
           ntohs(((struct sockaddr_in*)i->ai_addr)->sin_port));
  if (list) freeaddrinfo(list);
  return 0;
}
