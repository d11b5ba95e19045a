// System V shared memory: by key, by id, attached twice, removed while it is attached.
// exercises: shmget shmat shmdt shmctl
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

enum { size = 3 * 4096 + 5 };

static int failed(long r) {
  return r < 0 ? errno : 0;
}

static void* attach_or(int id, const void* at, int flags) {
  void* p = shmat(id, at, flags);
  if (p == (void*)-1) printf("  shmat %d\n", errno);
  return p;
}

static void* adds(void* counter) {
  for (int i = 0; i < 1000; ++i) __atomic_add_fetch((int*)counter, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

static void state(const char* when, int id) {
  struct shmid_ds s;
  memset(&s, 0, sizeof s);
  const int r = shmctl(id, IPC_STAT, &s);
  printf("%s: %d size %zu attached %lu mode %o own %d\n", when, r ? errno : 0, s.shm_segsz, s.shm_nattch,
         s.shm_perm.mode & 0777, r || (s.shm_cpid == getpid() && s.shm_perm.uid == geteuid()));
}

static void by_id(void) {
  const int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0640);
  printf("private %d\n", id >= 0);
  state("made", id);
  char* a = attach_or(id, NULL, 0);
  char* b = attach_or(id, NULL, 0);
  strcpy(a + 4096, "seen by both");
  printf("differ %d, %s, zeroed %d\n", a != b, b + 4096, b[size - 1]);
  state("twice", id);
  pthread_t t;
  pthread_create(&t, NULL, adds, a);
  adds(b);
  pthread_join(t, NULL);
  printf("count %d\n", *(int*)a);
  const char* c = attach_or(id, NULL, SHM_RDONLY);
  printf("read only %s\n", c + 4096);
  printf("not aligned %d, taken %d\n", failed((long)shmat(id, a + 1, 0)), failed((long)shmat(id, a, 0)));
  printf("rounded %d\n", shmdt(c) == 0 && shmat(id, c + 7, SHM_RND) == c);
  printf("replaced %d\n", shmat(id, c, SHM_REMAP | SHM_RDONLY) == c && c[4096] == 's');
  printf("remap without a place %d\n", failed((long)shmat(id, NULL, SHM_REMAP)));
  printf("shmdt %d", shmdt(a));
  printf(" again %d nowhere %d\n", failed(shmdt(a)), failed(shmdt((void*)4096)));
  state("after that", id);
  printf("removed %d\n", shmctl(id, IPC_RMID, NULL));
  printf("still there %s\n", b + 4096);
  char* d = shmat(id, NULL, 0);
  printf("attached after that %d %s\n", d != (void*)-1, d + 4096);
  munmap(d, 4096);
  shmdt(b);
  shmdt(c);
}

static void by_key(void) {
  const key_t key = 0x05310000 | (getpid() & 0xffff);
  printf("no such key %d\n", failed(shmget(key, size, 0600)));
  const int id = shmget(key, size, IPC_CREAT | IPC_EXCL | 0600);
  printf("made %d, same %d, exclusive %d\n", id >= 0, shmget(key, 0, 0) == id,
         failed(shmget(key, size, IPC_CREAT | IPC_EXCL)));
  printf("longer %d, empty %d\n", failed(shmget(key, size + 4096, 0)), failed(shmget(IPC_PRIVATE, 0, 0600)));
  struct shmid_ds s;
  shmctl(id, IPC_STAT, &s);
  s.shm_perm.mode = 0400;
  printf("set %d\n", shmctl(id, IPC_SET, &s));
  state("changed", id);
  printf("lock %d\n", shmctl(id, SHM_LOCK, NULL));
  printf("removed %d", shmctl(id, IPC_RMID, NULL));
  printf(" again %d\n", failed(shmctl(id, IPC_RMID, NULL)));
  printf("gone %d %d\n", failed(shmget(key, size, 0)), failed((long)shmat(id, NULL, 0)));
  printf("unknown %d %d\n", failed(shmctl(-1, IPC_STAT, &s)), failed(shmctl(0x7ffffff0, IPC_STAT, &s)));
}

int main(void) {
  by_id();
  by_key();
}
