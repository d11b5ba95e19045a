// Shared mappings of files: one memory for stores, read(), write() and other mappings; the file's end;
// rights; moves; system calls on pages that are gone. exercises: mmap munmap mprotect mremap madvise msync
// ftruncate pread64 pwrite64 memfd_create
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { page = 4096 };
static const int rw = PROT_READ | PROT_WRITE;
static const char* folder;

static void show(const char* what, long r) {
  printf("%s %ld\n", what, r < 0 ? -(long)errno : r);
}
static int make(const char* name, long size) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || ftruncate(fd, size) != 0) exit(9);
  return fd;
}

static sigjmp_buf back;
static volatile const char* faulted;
static volatile int code, number;
static void on_fault(int signal, siginfo_t* info, void* context) {
  (void)context;
  number = signal;
  code = info->si_code;
  faulted = info->si_addr;
  siglongjmp(back, 1);
}
// What happens when the byte is touched.
static void touch(const char* what, volatile char* at, int store) {
  if (sigsetjmp(back, 1) == 0) {
    if (store) *at = 'T';
    printf("%s: %d\n", what, *at);
  } else {
    printf("%s: signal %d code %d address %s\n", what, number, code, faulted == at ? "right" : "wrong");
  }
}

static void one_memory(int fd, const char* what) {
  printf("-- %s\n", what);
  char* a = mmap(NULL, 4 * page, rw, MAP_SHARED, fd, 0);
  char* b = mmap(NULL, 2 * page, rw, MAP_SHARED, fd, page);
  char* r = mmap(NULL, 4 * page, PROT_READ, MAP_SHARED, fd, 0);
  char* p = mmap(NULL, 4 * page, rw, MAP_PRIVATE, fd, 0);
  printf("mapped %d %d %d %d\n", a != MAP_FAILED, b != MAP_FAILED, r != MAP_FAILED, p != MAP_FAILED);
  strcpy(a + page, "stored");
  char text[16] = "";
  show("read", pread(fd, text, 7, page));
  printf("%s %s %s\n", text, b, r + page);
  show("write", pwrite(fd, "written", 8, page + 100));
  printf("%s %s %s\n", a + page + 100, b + 100, r + page + 100);
  strcpy(p + page, "private");
  printf("%s %s\n", a + page, p + page);
  // System calls on such pages.
  show("read into", pread(fd, a + 3 * page, 100, page));
  printf("%s\n", r + 3 * page);
  show("write from", pwrite(fd, a + page, 8, 2 * page));
  printf("%s\n", a + 2 * page);
  show("path", access(strcpy(a + 200, folder), F_OK));
  struct stat* st = (struct stat*)(a + 2 * page + 512);
  show("stat", fstat(fd, st));
  printf("size %ld\n", (long)st->st_size);
  show("into read only", pread(fd, r, 1, 0));
  show("sync", msync(a, 4 * page, MS_SYNC));
  show("sync, later", msync(a, 4 * page, MS_ASYNC));
  show("sync both", msync(a, page, MS_ASYNC | MS_SYNC));
  show("sync unknown", msync(a, page, 64));
  show("drop", madvise(a, 4 * page, MADV_DONTNEED));
  printf("after drop %s\n", a + page);
  show("free", madvise(a, page, MADV_FREE));
  show("unmap", munmap(a, 4 * page));
  printf("others stay %s %s\n", b, r + page);
  show("unmap", munmap(b, 2 * page));
  show("unmap", munmap(r, page));
  printf("rest stays %s\n", r + page);
  munmap(r + page, 3 * page);
  munmap(p, 4 * page);
}

static void rights(void) {
  puts("-- rights");
  const int fd = make("rights", page);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  char file[512];
  snprintf(file, sizeof file, "%s/rights", folder);
  const int reading = open(file, O_RDONLY), writing = open(file, O_WRONLY);
  show("read only file, writable", (long)mmap(NULL, page, rw, MAP_SHARED, reading, 0));
  show("write only file", (long)mmap(NULL, page, PROT_READ, MAP_SHARED, writing, 0));
  char* r = mmap(NULL, page, PROT_READ, MAP_SHARED, reading, 0);
  show("becomes writable", mprotect(r, page, rw));
  touch("store to read only", r, 1);
  char* w = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
  touch("store before", w, 1);
  show("becomes writable", mprotect(w, page, rw));
  touch("store after", w, 1);
  printf("seen %c\n", *r);
  show("none", mprotect(w, page, PROT_NONE));
  touch("load from none", w, 0);
  show("read again", mprotect(w, page, PROT_READ));
  touch("load", w, 0);
  close(fd);
  close(reading);
  printf("without descriptors %c %c\n", *w, *r);
  show("folder", (long)mmap(NULL, page, PROT_READ, MAP_SHARED, open(folder, O_RDONLY), 0));
  show("not aligned", (long)mmap(NULL, page, PROT_READ, MAP_SHARED, writing, 100));
}

static void ends(int fd, const char* what) {
  printf("-- %s\n", what);
  show("size", ftruncate(fd, page + 100));
  char* a = mmap(NULL, 4 * page, rw, MAP_SHARED, fd, 0);
  touch("first", a, 1);
  touch("last", a + page + 99, 1);
  touch("behind in page", a + page + 200, 1);
  touch("behind", a + 2 * page, 0);
  touch("behind", a + 2 * page, 1);
  show("system call behind", pread(fd, a + 2 * page, 10, 0));
  show("system call behind", pwrite(fd, a + 2 * page, 10, 0));
  show("path behind", open(a + 2 * page, O_RDONLY));
  struct stat st;
  fstat(fd, &st);
  printf("size %ld\n", (long)st.st_size);
  show("longer", ftruncate(fd, 4 * page));
  touch("now inside", a + 2 * page, 1);
  touch("last", a + 4 * page - 1, 1);
  show("shorter", ftruncate(fd, page));
  touch("kept", a, 0);
  touch("cut off", a + page, 0);
  touch("cut off", a + 3 * page, 1);
  show("system call, cut off", fstat(fd, (struct stat*)(a + page)));
  show("system call, cut off", pwrite(fd, a + page, 10, 0));
  show("longer again", ftruncate(fd, 4 * page));
  touch("zero", a + 2 * page, 0);
  touch("zero", a + 3 * page, 0);
  show("empty", ftruncate(fd, 0));
  touch("nothing", a, 0);
  char* nothing = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
  printf("mapping of nothing %d\n", nothing != MAP_FAILED);
  munmap(nothing, page);
  munmap(a, 4 * page);
}

static void moves(void) {
  puts("-- moves");
  const int fd = make("moves", 16 * page);
  char* a = mmap(NULL, 4 * page, rw, MAP_SHARED, fd, page);
  for (int i = 0; i < 16; ++i) pwrite(fd, &"abcdefghijklmnop"[i], 1, i * page);
  printf("%c %c\n", a[0], a[3 * page]);
  char* far = mremap(a, 4 * page, 8 * page, MREMAP_MAYMOVE);
  printf("%c %c %c\n", far[0], far[3 * page], far[7 * page]);
  char* hole = mmap(NULL, 8 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  printf("fixed %d\n", mremap(far + page, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, hole) == hole);
  printf("%c %c %c %c\n", far[0], hole[0], hole[page], far[3 * page]);
  hole[0] = '!';
  char seen = 0;
  show("read", pread(fd, &seen, 1, 2 * page));
  printf("%c\n", seen);
  char* again = mremap(far, 0, 3 * page, MREMAP_MAYMOVE);
  printf("again %d %c %c\n", again != MAP_FAILED && again != far, again[0], again[page]);
  again[0] = '?';
  printf("%c\n", far[0]);
  char* over = mmap(far, page, rw, MAP_SHARED | MAP_FIXED, fd, 10 * page);
  printf("fixed over %d %c %c\n", over == far, far[0], again[0]);
  char* private = mmap(far, page, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  printf("anonymous over %d %d\n", private == far, far[0]);
  show("read", pread(fd, &seen, 1, 10 * page));
  printf("%c\n", seen);
}

// Much of it, in no order: pieces are mapped as they are touched.
static void large(void) {
  puts("-- large");
  enum { pages = 8192 };
  const int fd = make("large", (long)pages * page);
  unsigned* a = mmap(NULL, (size_t)pages * page, rw, MAP_SHARED, fd, 0);
  for (unsigned i = 0; i < pages; ++i) a[(i * 4099U % pages) * (page / 4)] = i * 4099U % pages;
  unsigned wrong = 0, value = 0;
  for (unsigned i = 0; i < pages; i += 7) wrong += pread(fd, &value, 4, (long)i * page) != 4 || value != i;
  printf("wrong %u\n", wrong);
  munmap((char*)a + 1000 * page, 3000 * (size_t)page);
  for (unsigned i = 4000; i < pages; ++i) wrong += a[i * (page / 4)] != i;
  printf("wrong %u\n", wrong);
}

static void anonymous(void) {
  puts("-- anonymous");
  char* a = mmap(NULL, 600 * page, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  strcpy(a + 5 * page, "text");
  show("drop", madvise(a, 600 * page, MADV_DONTNEED));
  printf("stays %s %d\n", a + 5 * page, a[599 * page]);
  show("free", madvise(a, page, MADV_FREE));
  show("wipe on fork", madvise(a, page, MADV_WIPEONFORK));
  show("sync", msync(a, page, MS_SYNC));
  char* moved = mremap(a, 600 * page, 600 * page, MREMAP_MAYMOVE | MREMAP_FIXED,
                       mmap(NULL, 600 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  printf("moved %s\n", moved + 5 * page);
  show("unmap", munmap(moved, 600 * page));
  char* zero = mmap(NULL, page, rw, MAP_SHARED, open("/dev/zero", O_RDWR), 0);
  zero[7] = 'z';
  show("drop", madvise(zero, page, MADV_DONTNEED));
  printf("stays %c\n", zero[7]);
}

static void memory_files(void) {
  const int fd = memfd_create("m", MFD_ALLOW_SEALING);
  if (ftruncate(fd, 4 * page) != 0) exit(9);
  one_memory(fd, "memory file");
  ends(fd, "memory file's end");
  puts("-- seals");
  if (ftruncate(fd, page) != 0) exit(9);
  char* a = mmap(NULL, page, rw, MAP_SHARED, fd, 0);
  strcpy(a, "sealed");
  show("seal while writable", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  munmap(a, page);
  show("seal", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  printf("writable mapping %s\n",
         mmap(NULL, page, rw, MAP_SHARED, fd, 0) == MAP_FAILED ? strerror(errno) : "made");
  a = mmap(NULL, page, rw, MAP_PRIVATE, fd, 0);
  printf("private %s\n", a);
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  folder = argv[1];
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGBUS, &action, NULL);
  sigaction(SIGSEGV, &action, NULL);
  one_memory(make("one", 4 * page), "file");
  rights();
  ends(make("ends", 0), "file's end");
  moves();
  large();
  anonymous();
  memory_files();
  return 0;
}
