// /proc/self/task: one folder a thread; mincore.
// exercises: getdents64 mincore
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_barrier_t meet;
static pid_t tids[3];

static void* thread(void* at) {
  *(pid_t*)at = gettid();
  pthread_barrier_wait(&meet);
  pthread_barrier_wait(&meet);
  return NULL;
}

static void look(const char* what) {
  DIR* d = opendir("/proc/self/task");
  int known = 0, others = 0;
  for (struct dirent* e; d && (e = readdir(d));) {
    if (e->d_name[0] == '.') continue;
    const pid_t tid = atoi(e->d_name);
    const int found = tid == getpid() || tid == tids[0] || tid == tids[1] || tid == tids[2];
    known += found;
    others += !found;
  }
  if (d) closedir(d);
  printf("%s: %d known, %d others\n", what, known, others);
}

static void file(pid_t tid, const char* name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid, name);
  struct stat st;
  const int r = stat(path, &st);
  printf("%s: %d %d\n", name, r ? -errno : 0, r ? 0 : S_ISDIR(st.st_mode));
  FILE* f = r || S_ISDIR(st.st_mode) ? NULL : fopen(path, "r");
  if (!f) return;
  printf("readable %d\n", fgetc(f) != EOF);
  fclose(f);
}

static void residency(void) {
  enum { page = 4096 };
  char* a = mmap(NULL, 1024 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(a, 1024 * page, MADV_NOHUGEPAGE);
  unsigned char seen[1024];
  printf("mincore %d\n", mincore(a, 1024 * page, seen));
  printf("untouched %d\n", seen[1000] & 1);
  a[0] = 1;
  const int r = mincore(a, page, seen);
  printf("mincore %d touched %d\n", r, seen[0] & 1);
  printf("not aligned %d\n", mincore(a + 1, page, seen) ? -errno : 0);
  munmap(a + page, page);
  printf("hole %d\n", mincore(a, 3 * page, seen) ? -errno : 0);
  printf("nowhere to write %d\n", mincore(a, page, (unsigned char*)16) ? -errno : 0);
}

int main(void) {
  pthread_barrier_init(&meet, NULL, 4);
  look("alone");
  pthread_t t[3];
  for (int i = 0; i < 3; ++i) pthread_create(&t[i], NULL, thread, &tids[i]);
  pthread_barrier_wait(&meet);
  look("with threads");
  file(tids[1], "");
  file(tids[1], "stat");
  file(tids[1], "comm");
  file(tids[1], "status");
  file(getpid(), "maps");
  file(1 << 21, "stat");
  pthread_barrier_wait(&meet);
  for (int i = 0; i < 3; ++i) pthread_join(t[i], NULL);
  residency();
  return 0;
}
