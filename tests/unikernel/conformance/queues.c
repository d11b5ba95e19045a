// System V message queues: order, types, sizes, full and empty queues, removal while one waits.
// exercises: msgget msgsnd msgrcv msgctl
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/wait.h>
#include <unistd.h>

struct message {
  long type;
  char text[8200];
};
static struct message m;

static int failed(long r) {
  return r < 0 ? errno : 0;
}
static void say(const char* what, long value) {
  printf("%s %ld\n", what, value);
}
static int sends(int id, long type, const char* text, int flags) {
  m.type = type;
  strcpy(m.text, text);
  return failed(msgsnd(id, &m, strlen(text) + 1, flags));
}
static void receives(const char* how, int id, size_t size, long type, int flags) {
  memset(&m, 0, sizeof m);
  const long n = msgrcv(id, &m, size, type, flags | IPC_NOWAIT);
  printf("%s: %ld (%d) type %ld '%s'\n", how, n, failed(n), m.type, m.text);
}
static void state(const char* when, int id) {
  struct msqid_ds s;
  memset(&s, 0, sizeof s);
  say(when, failed(msgctl(id, IPC_STAT, &s)));
  printf("%lu messages, %lu of at most %lu bytes, mode %o\n", s.msg_qnum, s.__msg_cbytes, s.msg_qbytes,
         s.msg_perm.mode & 0777);
}

static int made(void) {
  const key_t key = 0x05150000 + getpid();
  const int id = msgget(key, IPC_CREAT | IPC_EXCL | 0600);
  say("made", id >= 0);
  say("again", failed(msgget(key, IPC_CREAT | IPC_EXCL)));
  say("found", msgget(key, 0) == id);
  say("no key", failed(msgget(key + 0x7000000, 0)));
  struct msqid_ds s;
  msgctl(id, IPC_STAT, &s);
  s.msg_perm.mode = 0640;
  s.msg_qbytes = 16384;
  printf("set %d\n", failed(msgctl(id, IPC_SET, &s)));
  state("fresh", id);
  return id;
}

static void order(int id) {
  say("sent", sends(id, 3, "three", 0));
  say("sent", sends(id, 1, "one", 0));
  say("sent", sends(id, 2, "two", 0));
  say("sent", sends(id, 3, "three again", 0));
  say("type", sends(id, 0, "x", 0));
  say("size", failed(msgsnd(id, &m, 8193, 0)));
  state("four", id);
  receives("by type", id, 100, 2, 0);
  receives("lowest", id, 100, -2, 0);
  receives("none of it", id, 100, 9, 0);
  receives("too long", id, 3, 0, 0);
  receives("cut", id, 3, 0, MSG_NOERROR);
  sends(id, 4, "four", 0);
  receives("but three", id, 100, 3, MSG_EXCEPT);
  receives("first", id, 100, 0, 0);
  receives("empty", id, 100, 0, 0);
}

static void full(int id) {
  memset(&m, 'f', sizeof m);
  m.type = 1;
  say("filled", failed(msgsnd(id, &m, 8192, 0)));
  say("filled", failed(msgsnd(id, &m, 8192, 0)));
  say("full", failed(msgsnd(id, &m, 1, IPC_NOWAIT)));
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) _exit(sends(id, 7, "waited", 0));
  long n = msgrcv(id, &m, 8192, 0, 0);
  printf("took %ld\n", n);
  n = msgrcv(id, &m, 8192, 7, 0);
  printf("then %ld '%s'\n", n, m.text);
  int status = 0;
  waitpid(child, &status, 0);
  msgrcv(id, &m, 8192, 0, 0);
  state("empty again", id);
}

static void on_alarm(int signal) {
  (void)signal;
}
static void interrupted(int id) {
  struct sigaction a = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &a, NULL);
  ualarm(20000, 0);
  printf("never restarted %d\n", failed(msgrcv(id, &m, 10, 0, 0)));
}

static void exchange(int id) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 200; ++i) {
      if (msgrcv(id, &m, sizeof m.text, 1, 0) < 0) _exit(1);
      m.type = 2;
      if (msgsnd(id, &m, sizeof(int), 0) < 0) _exit(2);
    }
    _exit(0);
  }
  long sum = 0;
  for (int i = 0; i < 200; ++i) {
    m.type = 1;
    memcpy(m.text, &i, sizeof i);
    msgsnd(id, &m, sizeof i, 0);
    int back = -1;
    msgrcv(id, &m, sizeof m.text, 2, 0);
    memcpy(&back, m.text, sizeof back);
    sum += back;
  }
  int status = 1;
  waitpid(child, &status, 0);
  printf("exchanged %ld, child %d\n", sum, status);
}

static void removed(int id) {
  int ready[2];
  char c;
  if (pipe(ready)) return;
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    write(ready[1], "r", 1);
    const int r = failed(msgrcv(id, &m, 10, 0, 0));
    _exit(r == EIDRM || r == EINVAL ? EIDRM : r);  // EINVAL where it came too late
  }
  read(ready[0], &c, 1);
  int status = 0;
  say("removed", failed(msgctl(id, IPC_RMID, NULL)));
  waitpid(child, &status, 0);
  say("waiting one", WEXITSTATUS(status) == EIDRM);
  say("again", failed(msgctl(id, IPC_RMID, NULL)));
}

int main(void) {
  const int id = made();
  order(id);
  full(id);
  interrupted(id);
  exchange(id);
  removed(id);
  return 0;
}
