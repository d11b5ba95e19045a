// A program with handlers for the signals that end others: polite leaves|stays
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t got;
static void handler(int signal) {
  got = signal;
}

int main(int argc, char** argv) {
  const int leaves = argc > 1 && !strcmp(argv[1], "leaves");
  sigset_t blocked, none;
  sigfillset(&blocked);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  sigemptyset(&none);
  struct sigaction a = {.sa_handler = handler};
  sigaction(SIGINT, &a, NULL);
  sigaction(SIGTERM, &a, NULL);
  sigaction(SIGUSR1, &a, NULL);
  puts("ready");
  fflush(stdout);
  do {
    sigsuspend(&none);
    printf("got %d\n", (int)got);
    fflush(stdout);
  } while (!leaves);
  return 5;
}
