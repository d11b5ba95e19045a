// inotify: what happens below a folder.
// exercises: inotify_init inotify_init1 inotify_add_watch inotify_rm_watch
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Prints events until `what` has come for `name`.
static void until(int fd, unsigned what, const char* name) {
  char bytes[4096] __attribute__((aligned(8)));
  for (;;) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 10000) != 1) return (void)printf("nothing came\n");
    const ssize_t n = read(fd, bytes, sizeof bytes);
    int found = 0;
    for (char* at = bytes; at < bytes + n;) {
      const struct inotify_event* e = (const struct inotify_event*)at;
      printf("  %#x cookie %d %s\n", e->mask, e->cookie != 0, e->len ? e->name : "-");
      found |= (e->mask & what) != 0 && strcmp(e->len ? e->name : "-", name) == 0;
      at += sizeof *e + e->len;
    }
    if (found) return;
  }
}

int main(int argc, char** argv) {
  if (argc != 2 || chdir(argv[1]) != 0) return 2;
  const int old = syscall(SYS_inotify_init);
  printf("inotify_init %d\n", old >= 0);
  close(old);
  printf("unknown flags %d\n", inotify_init1(1) < 0 ? errno : 0);
  const int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  char byte;
  printf("empty %d\n", read(fd, &byte, 1) < 0 ? errno : 0);
  const int w = inotify_add_watch(fd, ".", IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVE | IN_DELETE);
  printf("watch %d, missing %d, no events %d\n", w, inotify_add_watch(fd, "none", IN_CREATE) < 0 ? errno : 0,
         inotify_add_watch(fd, ".", 0) < 0 ? errno : 0);
  printf("create and write\n");
  const int f = open("a", O_CREAT | O_WRONLY, 0644);
  if (write(f, "x", 1) != 1) return 3;
  close(f);
  until(fd, IN_CLOSE_WRITE, "a");
  printf("rename\n");
  rename("a", "b");
  until(fd, IN_MOVED_TO, "b");
  printf("folder\n");
  mkdir("d", 0755);
  until(fd, IN_CREATE, "d");
  printf("remove\n");
  unlink("b");
  rmdir("d");
  until(fd, IN_DELETE, "d");
  close(open("x", O_CREAT | O_WRONLY, 0600));
  printf("room for half an event %d\n", read(fd, &byte, 1) < 0 ? errno : 0);
  printf("rm_watch %d", inotify_rm_watch(fd, w));
  printf(" again %d\n", inotify_rm_watch(fd, w) < 0 ? errno : 0);
  until(fd, IN_IGNORED, "-");
}
