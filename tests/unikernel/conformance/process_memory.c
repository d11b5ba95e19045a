// Memory that processes share, memory that they do not, and locks in shared memory.
// exercises: mmap fork futex shmget shmat shmctl madvise memfd_create mremap
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static void* shared(size_t size) {
  return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void counter(void) {
  struct {
    pthread_mutex_t lock;
    long value;
  }* c = shared(4096);
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&c->lock, &a);
  for (int i = 0; i < 3; ++i) {
    if (fork() != 0) continue;
    for (int n = 0; n < 2000; ++n) {
      pthread_mutex_lock(&c->lock);
      ++c->value;
      pthread_mutex_unlock(&c->lock);
    }
    _exit(0);
  }
  while (wait(NULL) > 0) {
  }
  printf("counted %ld\n", c->value);
}

static void semaphores(void) {
  sem_t* s = shared(8192);
  sem_init(&s[0], 1, 0);
  sem_init(&s[1], 1, 0);
  int* value = (int*)(s + 2);
  if (fork() == 0) {
    for (int i = 0; i < 100; ++i) {
      sem_wait(&s[0]);
      *value += 1;
      sem_post(&s[1]);
    }
    _exit(0);
  }
  for (int i = 0; i < 100; ++i) {
    *value *= 1;
    sem_post(&s[0]);
    sem_wait(&s[1]);
  }
  wait(NULL);
  printf("by turns %d\n", *value);
}

static void dead_owner(void) {
  pthread_mutex_t* m = shared(4096);
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(m, &a);
  if (fork() == 0) {
    pthread_mutex_lock(m);
    _exit(0);
  }
  wait(NULL);
  printf("owner died: %d\n", pthread_mutex_lock(m) == EOWNERDEAD);
}

static void files(void) {
  const int fd = memfd_create("shared", 0);
  (void)!ftruncate(fd, 8192);
  char* mine = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char* private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  private[0] = 'p';
  if (fork() == 0) {
    strcpy(mine, "from the child");
    private[0] = 'c';
    char* later = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    strcpy(later + 4096, "mapped later");
    _exit(0);
  }
  wait(NULL);
  printf("file: %s, %s, private %c\n", mine, mine + 4096, private[0]);
  close(fd);
}

static void segments(void) {
  const int id = shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600);
  char* at = shmat(id, NULL, 0);
  struct shmid_ds before, during, after;
  shmctl(id, IPC_STAT, &before);
  int ends[2][2];
  (void)!pipe(ends[0]);
  (void)!pipe(ends[1]);
  if (fork() == 0) {
    char c = 0;
    strcpy(at, "segment");
    (void)!write(ends[0][1], &c, 1);
    (void)!read(ends[1][0], &c, 1);
    _exit(0);
  }
  char c = 0;
  (void)!read(ends[0][0], &c, 1);
  shmctl(id, IPC_STAT, &during);
  (void)!write(ends[1][1], &c, 1);
  wait(NULL);
  shmctl(id, IPC_STAT, &after);
  printf("%s: attached %lu %lu %lu\n", at, (unsigned long)before.shm_nattch, (unsigned long)during.shm_nattch,
         (unsigned long)after.shm_nattch);
  shmdt(at);
  shmctl(id, IPC_RMID, NULL);
}

static void advice(void) {
  char* wiped = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char* left_out = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(wiped, 'w', 3 * 4096);
  left_out[0] = 'l';
  printf("advice: %d %d\n", madvise(wiped + 4096, 4096, MADV_WIPEONFORK),
         madvise(left_out, 4096, MADV_DONTFORK));
  fflush(stdout);
  if (fork() == 0) {
    unsigned char there = 0;
    printf("child: %c %d %c, left out %d\n", wiped[0], wiped[4096], wiped[8192],
           mincore(left_out, 4096, &there) < 0 ? errno : 0);
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  printf("parent: %c %c %c\n", wiped[0], wiped[4096], left_out[0]);
}

// More than fits small pages only: 2 MiB leaves, holes, protections, and what was moved.
static void large(void) {
  const size_t size = 12 << 20;
  char* heap = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (size_t i = 0; i < size; i += 4096) heap[i] = (char)(i >> 12);
  munmap(heap + (5 << 20), 1 << 20);
  mprotect(heap + (7 << 20), 4096, PROT_READ);
  fflush(stdout);
  if (fork() == 0) {
    size_t wrong = 0;
    for (size_t i = 0; i < size; i += 4096) {
      if (i >= (5 << 20) && i < (6 << 20)) continue;
      wrong += heap[i] != (char)(i >> 12);
      if (i != (7 << 20)) heap[i] = 0;
    }
    _exit(wrong != 0);
  }
  int status = 0;
  wait(&status);
  size_t wrong = 0;
  for (size_t i = 0; i < size; i += 4096) {
    if (i >= (5 << 20) && i < (6 << 20)) continue;
    wrong += heap[i] != (char)(i >> 12);
  }
  printf("large: child %d, parent %zu\n", WEXITSTATUS(status), wrong);
}

int main(void) {
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  counter();
  semaphores();
  dead_owner();
  files();
  segments();
  advice();
  large();
  return 0;
}
