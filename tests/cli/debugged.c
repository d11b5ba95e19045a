// What debugger_test.py debugs: one thread that counts, others that do work, and an end of each kind.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct order {
  int number;
  const char* name;
};

volatile int go_on = 1, say = 0;
static volatile long counted;

__attribute__((noinline)) int worked(struct order* o) {
  return o->number * 2;
}

__attribute__((noinline)) int add(int a, int b) {
  return a + b;
}

__attribute__((noinline)) int deep(struct order* o, int depth) {
  if (depth > 0) return deep(o, depth - 1) + 1;
  if (strcmp(o->name, "fault") == 0) *(volatile int*)(long)o->number = 1;
  if (strcmp(o->name, "abort") == 0) abort();
  return o->number;
}

static void* work(void* argument) {
  struct order o = {(int)(long)argument, "work"};
  long sum = 0;
  for (int i = 0; i < 3; ++i) sum += worked(&o);
  return (void*)sum;
}

static void* count(void* argument) {
  while (go_on) ++counted;
  return argument;
}

int main(int argc, char** argv) {
  struct order o = {7, argc > 1 ? argv[1] : "none"};
  pthread_t threads[3];
  if (strcmp(o.name, "endless") == 0) {
    pthread_create(&threads[0], NULL, count, NULL);
    while (go_on) {
      usleep(1000);
      if (!say) continue;
      say = 0;
      printf("going on\n");
      fflush(stdout);
    }
    pthread_join(threads[0], NULL);
    printf("let go\n");
    return 3;
  }
  for (long i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, work, (void*)(i + 1));
  long sum = 0;
  for (int i = 0; i < 3; ++i) {
    void* one = NULL;
    pthread_join(threads[i], &one);
    sum += (long)one;
  }
  printf("sum %ld, deep %d, add %d\n", sum, deep(&o, 4), add(1, 1));
  return 5;
}
