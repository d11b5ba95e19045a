// How a process ends by a signal: its status is the same inside.
// exercises: exit_group kill tgkill rt_sigaction alarm
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void again(int signal) {
  printf("handler %d\n", signal);
  fflush(stdout);
}
static void segv_again(int s) {
  again(s);
  *(volatile int*)8 = 1;  // blocked now: the end
}
static void* abort_in_thread(void* unused) {
  (void)unused;
  abort();
}
static void* spin(void* unused) {
  (void)unused;
  for (;;) __asm__ volatile("");
  return NULL;
}

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  setvbuf(stdout, NULL, _IONBF, 0);
  if (!strcmp(how, "modes")) {
    puts(
        "modes: abort abort_handled segv segv_twice bus fpe ill trap term kill usr1 real_time alarm "
        "thread_abort "
        "spinning_thread no_room ignored_segv blocked_segv quit_by_handler exit_in_handler");
    return 0;
  }
  puts(how);
  if (!strcmp(how, "abort")) abort();
  if (!strcmp(how, "abort_handled")) signal(SIGABRT, again), abort();
  if (!strcmp(how, "segv")) *(volatile int*)8 = 1;
  if (!strcmp(how, "segv_twice")) signal(SIGSEGV, segv_again), *(volatile int*)8 = 1;
  if (!strcmp(how, "bus")) raise(SIGBUS);
  if (!strcmp(how, "fpe"))
    __asm__ volatile("xor %%edx, %%edx\nxor %%ecx, %%ecx\ndiv %%ecx" ::: "eax", "ecx", "edx");
  if (!strcmp(how, "ill")) __builtin_trap();
  if (!strcmp(how, "trap")) __asm__ volatile("int3");
  if (!strcmp(how, "term")) kill(getpid(), SIGTERM);
  if (!strcmp(how, "kill")) kill(getpid(), SIGKILL);
  if (!strcmp(how, "usr1")) raise(SIGUSR1);
  if (!strcmp(how, "real_time")) raise(SIGRTMIN + 5);
  if (!strcmp(how, "alarm")) {
    ualarm(1000, 0);
    for (;;) pause();
  }
  pthread_t t;
  if (!strcmp(how, "thread_abort")) pthread_create(&t, NULL, abort_in_thread, NULL), pthread_join(t, NULL);
  if (!strcmp(how, "spinning_thread"))
    pthread_create(&t, NULL, spin, NULL), usleep(1000), pthread_kill(t, SIGUSR2), pthread_join(t, NULL);
  if (!strcmp(how, "no_room")) {  // a handler, and a stack that cannot take its frame
    signal(SIGUSR1, again);
    char* small = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const int pid = getpid(), tid = gettid();
    __asm__ volatile("mov %0, %%rsp\nmov $234, %%eax\nsyscall\nud2" ::"r"(small + 8192), "D"(pid), "S"(tid),
                     "d"(SIGUSR1)
                     : "rax", "rcx", "r11");
  }
  if (!strcmp(how, "ignored_segv")) signal(SIGSEGV, SIG_IGN), *(volatile int*)8 = 1;
  if (!strcmp(how, "blocked_segv")) {
    sigset_t s;
    sigfillset(&s);
    sigprocmask(SIG_BLOCK, &s, NULL);
    signal(SIGSEGV, again);
    *(volatile int*)8 = 1;
  }
  if (!strcmp(how, "quit_by_handler")) signal(SIGTERM, again), raise(SIGTERM), exit(3);
  if (!strcmp(how, "exit_in_handler")) signal(SIGTERM, _exit), raise(SIGTERM);
  return 9;
}
