// Who a process is, and what it may: each program's own answers agree with each other.
// exercises: getpid gettid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid getsid
// exercises: capget uname personality set_tid_address
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static void ids(void) {
  uid_t r, e, s;
  printf("process is first thread %d, parent is another %d\n", getpid() == gettid(), getppid() != getpid());
  printf("getresuid %d", getresuid(&r, &e, &s));
  printf(" agrees %d\n", r == getuid() && e == geteuid() && s == e);
  gid_t rg, eg, sg;
  printf("getresgid %d", getresgid(&rg, &eg, &sg));
  printf(" agrees %d\n", rg == getgid() && eg == getegid() && sg == eg);
  printf("getresuid to nowhere %d\n", syscall(SYS_getresuid, 1, 1, 1) ? errno : 0);
  const int n = getgroups(0, NULL);
  gid_t groups[512];
  printf("getgroups %d", getgroups(512, groups) == n);
  printf(" negative size %d\n", syscall(SYS_getgroups, -1, groups) ? errno : 0);
}

static void groups_of_processes(void) {
  printf("getpgrp is getpgid(0) %d, of itself %d\n", getpgrp() == getpgid(0), getpgid(getpid()) == getpgrp());
  printf("getsid(0) is getsid(getpid()) %d\n", getsid(0) == getsid(getpid()));
  printf("of nobody %d %d\n", getpgid(0x3fffffff) < 0 ? errno : 0, getsid(0x3fffffff) < 0 ? errno : 0);
  printf("of a negative one %d\n", getpgid(-1) < 0 ? errno : 0);
}

static void capabilities(void) {
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2];
  printf("capget %d\n", (int)syscall(SYS_capget, &head, data));
  head.version = 1;
  printf("unknown version %d", syscall(SYS_capget, &head, data) ? errno : 0);
  printf(" is told the known one %d\n", head.version == _LINUX_CAPABILITY_VERSION_3);
  head.pid = -1;
  printf("of a negative process %d\n", syscall(SYS_capget, &head, data) ? errno : 0);
}

int main(void) {
  ids();
  groups_of_processes();
  capabilities();
  struct utsname name;
  printf("uname %d", uname(&name));
  printf(" %s %s\n", name.sysname, name.machine);
  printf("uname to nowhere %d\n", syscall(SYS_uname, 1) ? errno : 0);
  printf("personality %d\n", personality(0xffffffff) == PER_LINUX);
  int tid = 0;
  printf("set_tid_address gives the tid %d\n", syscall(SYS_set_tid_address, &tid) == gettid());
}
