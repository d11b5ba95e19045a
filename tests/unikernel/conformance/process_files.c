// What /proc says of the processes of this guest: themselves, their children, and those that have gone.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int slurp(const char* folder, const char* name, char* out, size_t size) {
  char path[300];
  snprintf(path, sizeof path, "/proc/%s/%s", folder, name);
  memset(out, 0, size);
  const int fd = open(path, O_RDONLY);
  if (fd < 0) return errno;
  const long n = read(fd, out, size - 1);
  close(fd);
  return n < 0 ? errno : 0;
}

static const char* program;

static int listed(int pid) {
  DIR* d = opendir("/proc");
  int found = 0;
  for (struct dirent* e; (e = readdir(d));) found += atoi(e->d_name) == pid;
  closedir(d);
  return found;
}

static long field_of(const char* status, const char* name) {
  const char* at = strstr(status, name);
  return at ? atol(at + strlen(name)) : -1;
}

static void show(const char* who, const char* folder, int pid, int parent) {
  char stat[4096], status[4096], comm[64], line[4096];
  printf("%s: %d %d %d %d\n", who, slurp(folder, "stat", stat, sizeof stat),
         slurp(folder, "status", status, sizeof status), slurp(folder, "comm", comm, sizeof comm),
         slurp(folder, "cmdline", line, sizeof line));
  int p = 0, up = 0, group = 0, session = 0;
  char name[64] = "", state = 0;
  sscanf(stat, "%d (%63[^)]) %c %d %d %d", &p, name, &state, &up, &group, &session);
  printf("  pid %d parent %d group %d session %d", p == pid, up == parent, group == getpgid(pid),
         session == getsid(pid));
  comm[strcspn(comm, "\n")] = 0;
  printf(" status %d %d comm %d", field_of(status, "\nPid:\t") == pid,
         field_of(status, "\nPPid:\t") == parent, strcmp(comm, name) == 0 && comm[0]);
  printf(" runs %d\n", strcmp(line, program) == 0);
}

int main(int argc, char** argv) {
  program = argc > 0 ? argv[0] : "";
  int hold[2], ready[2];
  char number[32], c;
  if (pipe(hold) || pipe(ready)) return 2;
  show("self", "self", getpid(), getppid());
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    snprintf(number, sizeof number, "%d", getpid());
    show("own number", number, getpid(), getppid());
    fflush(stdout);
    close(hold[1]);
    close(ready[1]);
    _exit((int)read(hold[0], &c, 1));
  }
  close(hold[0]);
  close(ready[1]);
  (void)!read(ready[0], &c, 1);  // ends when the child has said its lines
  snprintf(number, sizeof number, "%d", child);
  int status = 0;
  show("child", number, child, getpid());
  printf("listed %d %d\n", listed(getpid()), listed(child));
  close(hold[1]);
  waitpid(child, &status, 0);
  char text[64];
  printf("ended %d, then %d, listed %d\n", WEXITSTATUS(status), slurp(number, "stat", text, sizeof text),
         listed(child));
  printf("never %d\n", slurp("999999999", "stat", text, sizeof text));
  return 0;
}
