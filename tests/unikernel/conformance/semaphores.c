// System V semaphores: all or none, waiting, time limits, undo at a process's end, removal while one waits.
// exercises: semget semop semtimedop semctl
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int failed(long r) {
  return r < 0 ? errno : 0;
}
static void say(const char* what, long value) {
  printf("%s %ld\n", what, value);
}
static int op(int id, int number, int by, int flags) {
  struct sembuf o = {(unsigned short)number, (short)by, (short)flags};
  return failed(semop(id, &o, 1));
}
static void show(const char* when, int id) {
  unsigned short all[3] = {9, 9, 9};
  const int r = semctl(id, 0, GETALL, all);
  printf("%s: %d %d %d %d\n", when, failed(r), all[0], all[1], all[2]);
}

static int made(void) {
  const key_t key = 0x05140000 + getpid();
  const int id = semget(key, 3, IPC_CREAT | IPC_EXCL | 0600);
  say("made", id >= 0);
  say("again", failed(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600)));
  say("found", semget(key, 3, 0) == id);
  say("too many", failed(semget(key, 4, 0)));
  say("none", failed(semget(IPC_PRIVATE, 0, IPC_CREAT | 0600)));
  say("no key", failed(semget(key + 0x7000000, 1, 0)));
  show("fresh", id);
  struct semid_ds about;
  memset(&about, 0, sizeof about);
  say("stat", failed(semctl(id, 0, IPC_STAT, &about)));
  printf("%lu mode %o own %d\n", about.sem_nsems, about.sem_perm.mode & 0777,
         about.sem_perm.uid == geteuid() && about.sem_perm.__key == key);
  about.sem_perm.mode = 0640;
  printf("set %d", failed(semctl(id, 0, IPC_SET, &about)));
  semctl(id, 0, IPC_STAT, &about);
  printf(" mode %o\n", about.sem_perm.mode & 0777);
  return id;
}

static void values(int id) {
  unsigned short all[3] = {5, 0, 7};
  say("setall", failed(semctl(id, 0, SETALL, all)));
  say("setval", failed(semctl(id, 1, SETVAL, 2)));
  say("range", failed(semctl(id, 1, SETVAL, 40000)));
  say("number", failed(semctl(id, 3, GETVAL)));
  show("set", id);
  struct sembuf both[2] = {{0, -5, 0}, {1, -3, IPC_NOWAIT}};
  printf("all or none %d\n", failed(semop(id, both, 2)));
  show("none", id);
  struct sembuf three[3] = {{0, -5, 0}, {0, 0, 0}, {2, 1, 0}};
  printf("in order %d\n", failed(semop(id, three, 3)));
  show("all", id);
  say("big number", op(id, 7, 1, 0));
  say("empty", failed(semop(id, three, 0)));
  say("too high", op(id, 2, 32767, 0));
  say("last by me", semctl(id, 2, GETPID) == getpid());
  say("zero now", op(id, 0, 0, IPC_NOWAIT));
  say("not zero", op(id, 1, 0, IPC_NOWAIT));
}

static void limits(int id) {
  struct sembuf down = {0, -1, 0};
  struct timespec brief = {0, 10000000}, wrong = {0, 2000000000};
  say("time over", failed(semtimedop(id, &down, 1, &brief)));
  say("wrong time", failed(semtimedop(id, &down, 1, &wrong)));
  printf("waiting %d\n", semctl(id, 0, GETNCNT));
}

static void on_alarm(int signal) {
  (void)signal;
}
static void interrupted(int id) {
  struct sigaction a = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &a, NULL);
  ualarm(20000, 0);
  printf("never restarted %d\n", op(id, 0, -1, 0));
}

static void undone(int id) {
  semctl(id, 0, SETVAL, 1);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    if (op(id, 0, -1, SEM_UNDO)) _exit(1);
    op(id, 1, 4, SEM_UNDO);
    raise(SIGKILL);
  }
  // Comes back when the child has gone, since it took the one there was.
  while (semctl(id, 0, GETPID) != child) {
  }
  printf("given back %d\n", op(id, 0, -1, 0));
  int status = 0;
  waitpid(child, &status, 0);
  printf("child %d\n", WTERMSIG(status));
  show("undone", id);
  child = fork();
  if (child == 0) {
    op(id, 2, 3, SEM_UNDO);
    semctl(id, 2, SETVAL, 20);  // forgets it
    _exit(0);
  }
  waitpid(child, &status, 0);
  show("kept", id);
}

static void turns(int id) {
  unsigned short start[3] = {1, 0, 0};
  semctl(id, 0, SETALL, start);
  fflush(stdout);
  const pid_t child = fork();
  for (int i = 0; i < 200; ++i) {
    if (op(id, child ? 0 : 1, -1, 0) || op(id, child ? 1 : 0, 1, 0)) return;
  }
  if (child == 0) _exit(0);
  int status = 1;
  waitpid(child, &status, 0);
  printf("turns %d\n", status);
  show("after turns", id);
}

static void removed(int id) {
  unsigned short none[3] = {0, 0, 0};
  semctl(id, 0, SETALL, none);
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) _exit(op(id, 0, -1, 0));
  while (semctl(id, 0, GETNCNT) == 0) {
  }
  int status = 0;
  say("removed", failed(semctl(id, 0, IPC_RMID)));
  waitpid(child, &status, 0);
  say("waiting one", WEXITSTATUS(status));
  say("again", failed(semctl(id, 0, IPC_RMID)));
  say("used", op(id, 0, 1, 0));
}

int main(void) {
  const int id = made();
  values(id);
  limits(id);
  interrupted(id);
  undone(id);
  turns(id);
  removed(id);
  return 0;
}
