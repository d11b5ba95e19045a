// Mappings: reservations, fixed ones, holes, moves, rights, advice, sizes that wrap, the break.
// exercises: mmap munmap mprotect mremap madvise brk msync mlock munlock
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { page = 4096 };
static const int rw = PROT_READ | PROT_WRITE, anonymous = MAP_PRIVATE | MAP_ANONYMOUS;

static void show(const char* what, long r) {
  printf("%s %ld\n", what, r < 0 ? -(long)errno : r);
}
static void place(const char* what, const void* at, const char* expected) {
  printf("%s %s\n", what,
         at == MAP_FAILED              ? strerror(errno)
         : (const char*)at == expected ? "as asked"
                                       : "elsewhere");
}

// What a system call that reads the byte says: 1, or EFAULT.
static int pipe_ends[2];
static void readable(const char* what, const char* at) {
  char drain;
  show(what, write(pipe_ends[1], at, 1));
  (void)!read(pipe_ends[0], &drain, 1);
}

static void reservations(void) {
  const size_t size = (size_t)8 << 30;
  char* r = mmap(NULL, size, PROT_NONE, anonymous | MAP_NORESERVE, -1, 0);
  printf("reserve %d\n", r != MAP_FAILED);
  readable("reserved", r + size / 2);
  place("commit", mmap(r + size / 2, 4 * page, rw, anonymous | MAP_FIXED, -1, 0), r + size / 2);
  r[size / 2 + 5] = 'x';
  readable("committed", r + size / 2);
  readable("behind", r + size / 2 + 4 * page);
  place("no replace", mmap(r + size / 2, page, rw, anonymous | MAP_FIXED_NOREPLACE, -1, 0), NULL);
  show("protect inside", mprotect(r + page, page, rw));
  r[page] = 'y';
  show("unmap middle", munmap(r + page, page));
  readable("hole", r + page);
  show("protect over hole", mprotect(r, 3 * page, PROT_READ));
  place("no replace in hole", mmap(r + page, page, rw, anonymous | MAP_FIXED_NOREPLACE, -1, 0), r + page);
  show("unmap all", munmap(r, size));
  show("unmap again", munmap(r, size));
}

static void moves(void) {
  char* a = mmap(NULL, 8 * page, rw, anonymous, -1, 0);
  for (int i = 0; i < 8; ++i) a[i * page] = (char)('a' + i);
  printf("shrink %d\n", mremap(a, 8 * page, 6 * page, 0) == a);
  readable("cut off", a + 6 * page);
  char* hole = mmap(NULL, 16 * page, PROT_NONE, anonymous, -1, 0);
  place("move", mremap(a, 6 * page, 10 * page, MREMAP_MAYMOVE | MREMAP_FIXED, hole), hole);
  printf("content %c %c %d\n", hole[0], hole[5 * page], hole[6 * page]);
  readable("left", a);
  place("grow in place into mapped", mremap(hole, 10 * page, 11 * page, 0), NULL);
  char* far = mremap(hole, 10 * page, 600 * page, MREMAP_MAYMOVE);
  printf("grow %d %c %d\n", far != MAP_FAILED, far[5 * page], far[599 * page]);
  place("overlapping", mremap(far, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED, far + page), NULL);
  place("fixed alone", mremap(far, page, page, MREMAP_FIXED, hole), NULL);
  place("not aligned", mremap(far + 1, page, page, MREMAP_MAYMOVE), NULL);
  place("not mapped", mremap(a, page, page, MREMAP_MAYMOVE), NULL);
  place("to nothing", mremap(far, page, 0, MREMAP_MAYMOVE), NULL);
}

static void rights(void) {
  char* a = mmap(NULL, 4 * page, rw, anonymous, -1, 0);
  strcpy(a, "text");
  show("read only", mprotect(a, page, PROT_READ));
  show("into read only", syscall(SYS_getcwd, a, page));
  show("none", mprotect(a, page, PROT_NONE));
  readable("none", a);
  show("again", mprotect(a, page, PROT_READ));
  printf("kept %s\n", a);
  show("not aligned", mprotect(a + 1, page, PROT_READ));
  show("nothing", mprotect(a, 0, PROT_READ));
  show("bad right", mprotect(a, page, 0x40));
  show("wraps", syscall(SYS_mprotect, a, SIZE_MAX, PROT_READ));
  show("unmap wraps", syscall(SYS_munmap, a, SIZE_MAX));
  show("unmap nothing", munmap(a, 0));
  show("map nothing", (long)mmap(NULL, 0, PROT_READ, anonymous, -1, 0));
  show("map too much", (long)mmap(NULL, SIZE_MAX, PROT_READ, anonymous, -1, 0));
  show("no type", (long)mmap(NULL, page, PROT_READ, MAP_ANONYMOUS, -1, 0));
  show("no file", (long)mmap(NULL, page, PROT_READ, MAP_PRIVATE, 77, 0));
}

static void advice(void) {
  char* a = mmap(NULL, 4 * page, rw, anonymous, -1, 0);
  strcpy(a + page, "text");
  show("normal", madvise(a, 4 * page, MADV_NORMAL));
  show("drop", madvise(a + page, page, MADV_DONTNEED));
  printf("dropped %d\n", a[page]);
  show("free", madvise(a, page, MADV_FREE));
  show("wipe on fork", madvise(a, page, MADV_WIPEONFORK));
  show("do not fork", madvise(a, page, MADV_DONTFORK));
  show("unknown", madvise(a, page, 12345));
  show("not aligned", madvise(a + 1, page, MADV_NORMAL));
  show("nothing", madvise(a, 0, MADV_DONTNEED));
  show("wraps", syscall(SYS_madvise, a, SIZE_MAX, MADV_DONTNEED));
  strcpy(a + 3 * page, "end");
  show("hole", munmap(a + 2 * page, page));
  show("over hole", madvise(a, 4 * page, MADV_DONTNEED));
  printf("behind hole %d\n", a[3 * page]);
  show("sync", msync(a, page, MS_SYNC));
  show("sync hole", msync(a, 4 * page, MS_SYNC));
  show("lock", mlock(a, page));
  show("unlock", munlock(a, page));
  show("lock hole", mlock(a, 4 * page));
}

static void heap(void) {
  char* start = (char*)syscall(SYS_brk, 0);
  printf("grow %ld\n", syscall(SYS_brk, start + 10 * page) - (long)start);
  start[10 * page - 1] = 1;
  printf("shrink %ld\n", syscall(SYS_brk, start + page) - (long)start);
  printf("grow again %ld\n", syscall(SYS_brk, start + 2 * page) - (long)start);
  printf("zero %d\n", start[page]);
  printf("below %ld\n", syscall(SYS_brk, 0x1000) - (long)start);
}

int main(void) {
  if (pipe2(pipe_ends, O_NONBLOCK) != 0) return 1;
  reservations();
  moves();
  rights();
  advice();
  heap();
  return 0;
}
