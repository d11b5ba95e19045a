// FIFOs: made, named, opened with and without waiting, shared by processes, their ends and errors.
// exercises: mknod mknodat
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[4200];

static int failed(long r) {
  return r < 0 ? errno : 0;
}
static void say(const char* what, long r) {
  printf("%s %d\n", what, failed(r));
}

static void names(const char* work) {
  struct stat st;
  say("made", mkfifo(path, 0640));
  say("again", mkfifo(path, 0640));
  printf("missing folder %d\n", failed(mkfifo("/no/such/folder/f", 0600)));
  stat(path, &st);
  printf("fifo %d mode %o size %ld\n", S_ISFIFO(st.st_mode), st.st_mode & 0777, (long)st.st_size);
  printf("chmod %d\n", failed(chmod(path, 0600)));
  stat(path, &st);
  printf("mode %o\n", st.st_mode & 0777);
  const int folder = open(work, O_RDONLY | O_DIRECTORY);
  printf("mknodat %d\n", failed(mknodat(folder, "other", S_IFIFO | 0600, 0)));
  printf("renamed %d\n", failed(renameat(folder, "other", folder, "moved")));
  fstatat(folder, "moved", &st, 0);
  printf("fifo %d\n", S_ISFIFO(st.st_mode));
  say("removed", unlinkat(folder, "moved", 0));
  say("again", unlinkat(folder, "moved", 0));
  close(folder);
}

static void without_waiting(void) {
  char text[16] = "";
  printf("writer alone %d\n", failed(open(path, O_WRONLY | O_NONBLOCK)));
  const int in = open(path, O_RDONLY | O_NONBLOCK);
  printf("reader alone %d, reads %ld\n", in >= 0, (long)read(in, text, sizeof text));
  const int out = open(path, O_WRONLY | O_NONBLOCK);
  printf("writer %d, empty %d\n", out >= 0, failed(read(in, text, sizeof text)));
  struct stat named, opened;
  stat(path, &named);
  fstat(in, &opened);
  printf("same file %d, seeks %d\n", named.st_dev == opened.st_dev && named.st_ino == opened.st_ino,
         failed(lseek(in, 0, SEEK_SET)));
  printf("wrote %ld", (long)write(out, "hello", 5));
  struct pollfd p = {.fd = in, .events = POLLIN};
  int ready = poll(&p, 1, 0);
  printf(", poll %d %x", ready, p.revents);
  const long n = (long)read(in, text, sizeof text);
  printf(", read %ld %s\n", n, text);
  close(out);
  printf("end %ld\n", (long)read(in, text, sizeof text));
  p.revents = 0;
  ready = poll(&p, 1, 0);
  printf("poll %d %x\n", ready, p.revents);
  const int again = open(path, O_WRONLY);
  close(in);
  printf("nobody reads %d\n", failed(write(again, "x", 1)));
  close(again);
}

static void both_ways(void) {
  char text[16] = "";
  const int fd = open(path, O_RDWR);
  printf("both ways %d, wrote %ld", fd >= 0, (long)write(fd, "abc", 3));
  printf(", read %ld\n", (long)read(fd, text, sizeof text));
  write(fd, "lost", 4);
  close(fd);
  const int in = open(path, O_RDONLY | O_NONBLOCK);
  printf("kept nothing %ld\n", (long)read(in, text, sizeof text));
  close(in);
}

static void between_processes(void) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const int out = open(path, O_WRONLY);  // waits for the reader
    for (int i = 0; i < 1000; ++i) {
      char line[32];
      const int n = snprintf(line, sizeof line, "%d\n", i);
      if (write(out, line, (size_t)n) != n) _exit(1);
    }
    _exit(0);
  }
  FILE* in = fopen(path, "r");
  long sum = 0, lines = 0;
  char line[64];
  while (fgets(line, sizeof line, in)) sum += atol(line), ++lines;
  fclose(in);
  int status = 0;
  waitpid(child, &status, 0);
  printf("lines %ld sum %ld status %d\n", lines, sum, status);
}

static void on_alarm(int signal) {
  (void)signal;
}
static void interrupted(void) {
  struct sigaction a = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &a, NULL);
  ualarm(20000, 20000);
  printf("reader that waits %d\n", failed(open(path, O_RDONLY)));
  printf("writer that waits %d\n", failed(open(path, O_WRONLY)));
  ualarm(0, 0);
  printf("no reader was left %d\n", failed(open(path, O_WRONLY | O_NONBLOCK)));
}

static void* reads(void* out) {
  const int fd = open(path, O_RDONLY);
  *(long*)out = (long)read(fd, (char*)out + 8, 8);
  close(fd);
  return NULL;
}
static void removed_while_open(void) {
  struct {
    long size;
    char text[8];
  } got = {0, ""};
  pthread_t thread;
  pthread_create(&thread, NULL, reads, &got);
  const int out = open(path, O_WRONLY);
  say("unlinked", unlink(path));
  say("wrote", write(out, "bye", 3));
  pthread_join(thread, NULL);
  printf("thread read %ld %.3s, gone %d\n", got.size, got.text, failed(open(path, O_RDONLY)));
  close(out);
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  signal(SIGPIPE, SIG_IGN);
  umask(022);
  snprintf(path, sizeof path, "%s/fifo", argv[1]);
  names(argv[1]);
  without_waiting();
  both_ways();
  between_processes();
  interrupted();
  removed_while_open();
  return 0;
}
