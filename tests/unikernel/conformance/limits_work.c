// Resource limits: what is set is seen; processor time, descriptors and the size of files act.
// exercises: setrlimit getrlimit prlimit64
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void show(const char* what, long r) {
  printf("%s %ld\n", what, r < 0 ? -(long)errno : r);
}
static volatile sig_atomic_t got;
static void on_signal(int signal) {
  got = signal;
}
static long set(int resource, rlim_t soft) {
  struct rlimit l;
  if (getrlimit(resource, &l) != 0) return -1;
  l.rlim_cur = soft;
  return setrlimit(resource, &l);
}

int main(int argc, char** argv) {
  if (argc < 2 || chdir(argv[1]) != 0) return 2;
  signal(SIGXFSZ, on_signal);
  signal(SIGXCPU, on_signal);

  show("descriptors", set(RLIMIT_NOFILE, 6));
  struct rlimit l;
  show("get", getrlimit(RLIMIT_NOFILE, &l));
  printf("soft %ld\n", (long)l.rlim_cur);
  show("dup", dup(0));
  show("dup", dup(0));
  show("dup", dup(0));
  show("dup", dup(0));
  show("dup2 beyond", dup2(0, 6));
  show("more again", set(RLIMIT_NOFILE, 20));
  show("dup", dup(0));
  for (int fd = 3; fd < 20; ++fd) close(fd);

  const int fd = open("file", O_RDWR | O_CREAT, 0644);
  show("size", set(RLIMIT_FSIZE, 1000));
  char text[800];
  memset(text, 'x', sizeof text);
  show("write", write(fd, text, sizeof text));
  show("write in part", write(fd, text, sizeof text));
  show("write nothing", write(fd, text, sizeof text));
  printf("signal %d\n", got);
  show("inside", pwrite(fd, text, 100, 0));
  show("behind", pwrite(fd, text, 1, 5000));
  show("size", lseek(fd, 0, SEEK_END));

  l = (struct rlimit){.rlim_cur = 5, .rlim_max = 3};
  show("soft above hard", setrlimit(RLIMIT_CORE, &l));
  show("unknown", setrlimit(77, &l));
  show("core", getrlimit(RLIMIT_CORE, &l) == 0 && set(RLIMIT_CORE, 0) == 0);
  struct rlimit data = {.rlim_cur = 1 << 30, .rlim_max = 1 << 30}, old;
  show("data", prlimit(0, RLIMIT_DATA, &data, &old));
  show("data", prlimit(0, RLIMIT_DATA, NULL, &old));
  printf("%ld %ld\n", (long)old.rlim_cur, (long)old.rlim_max);
  data.rlim_max = data.rlim_cur = 2L << 30;
  fflush(stdout);

  show("processor", set(RLIMIT_CPU, 1));
  got = 0;
  for (volatile unsigned long i = 0; !got; ++i) continue;
  printf("signal %s\n", got == SIGXCPU ? "SIGXCPU" : "other");
  fflush(stdout);
  struct rlimit cpu = {.rlim_cur = 2, .rlim_max = 2};
  show("processor", setrlimit(RLIMIT_CPU, &cpu));
  fflush(stdout);
  signal(SIGXCPU, SIG_IGN);
  for (volatile unsigned long i = 0;; ++i) continue;
}
