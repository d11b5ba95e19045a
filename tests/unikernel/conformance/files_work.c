// Files below one folder: opening, moving bytes, names, times, modes, listings, locks.
// exercises: open openat creat close read write pread64 pwrite64 readv writev preadv pwritev lseek stat fstat lstat
// exercises: newfstatat statx access faccessat truncate ftruncate fallocate dup dup2 dup3 fcntl flock fsync fdatasync
// exercises: rename renameat renameat2 link linkat symlink symlinkat readlink readlinkat unlink unlinkat mkdir mkdirat
// exercises: rmdir chmod fchmod fchmodat utimensat utime utimes futimesat getdents64 getcwd chdir fchdir umask sendfile
// exercises: copy_file_range close_range sync syncfs readahead sync_file_range fadvise64 mmap munmap
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utime.h>

static long show(const char* what, long r) {
  printf("%s %ld\n", what, r < 0 ? -(long)errno : r);
  return r;
}
static void content(const char* path) {
  char text[64] = "";
  const int fd = syscall(SYS_open, path, O_RDONLY);
  const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  printf("%s: %zd \"%s\"\n", path, n, n > 0 ? text : "");
  if (fd >= 0) close(fd);
}

static void bytes(void) {
  const int fd = syscall(SYS_open, "a", O_RDWR | O_CREAT | O_EXCL, 0644);
  show("write", write(fd, "0123456789", 10));
  show("again exclusive", syscall(SYS_open, "a", O_RDWR | O_CREAT | O_EXCL, 0644));
  show("pwrite", pwrite(fd, "XY", 2, 3));
  char text[16] = "";
  show("pread", pread(fd, text, 4, 2));
  puts(text);
  show("lseek", lseek(fd, -3, SEEK_END));
  struct iovec v[2] = {{text, 2}, {text + 4, 8}};
  memset(text, 0, sizeof text);
  show("readv", readv(fd, v, 2));
  printf("%s %s\n", text, text + 4);
  struct iovec w[2] = {{"ab", 2}, {"cd", 2}};
  show("writev", writev(fd, w, 2));
  show("pwritev", pwritev(fd, w, 2, 1));
  show("preadv", preadv(fd, v, 2, 0));
  content("a");
  show("bad whence", lseek(fd, 0, 77));
  show("negative", lseek(fd, -1, SEEK_SET));
  show("pread negative", pread(fd, text, 1, -1));
  show("fallocate", fallocate(fd, 0, 0, 100));
  show("ftruncate", ftruncate(fd, 6));
  show("truncate", truncate("a", 4));
  content("a");
  show("fsync", fsync(fd)), show("fdatasync", fdatasync(fd)), show("syncfs", syncfs(fd));
  show("readahead", readahead(fd, 0, 10));
  show("sync range", sync_file_range(fd, 0, 0, 0));
  show("fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
  sync();
  const int append = open("a", O_WRONLY | O_APPEND);
  show("append", write(append, "end", 3));
  show("getfl", fcntl(append, F_GETFL) & (O_ACCMODE | O_APPEND));
  show("read of writer", read(append, text, 1));
  const int reader = open("a", O_RDONLY);
  show("write of reader", write(reader, "x", 1));
  show("ftruncate of reader", ftruncate(reader, 1));
  content("a");
  show("sendfile", sendfile(fd, reader, NULL, 3));
  off_t from = 1;
  show("sendfile at", sendfile(fd, reader, &from, 2)), show("offset", from);
  loff_t in = 0, out = 20;
  show("copy", copy_file_range(reader, &in, fd, &out, 4, 0)), show("out", out);
  show("close range", close_range(reader, reader, 0));
  show("closed", close(reader));
  char* m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  m[0] = '#';
  printf("mapped %.6s %d\n", m, m[100]);
  show("munmap", munmap(m, 4096));
  content("a");
  show("dup3 same", dup3(fd, fd, 0));
  show("dup2", dup2(fd, 50)), show("dup3", dup3(fd, 51, O_CLOEXEC)), show("cloexec", fcntl(51, F_GETFD));
  show("shared offset", lseek(fd, 2, SEEK_SET) == lseek(50, 0, SEEK_CUR));
  const int copy = dup(fd);
  show("dup", copy > 2), show("dupfd", fcntl(fd, F_DUPFD, 60));
  close(copy), close(50), close(51), close(60), close(append), close(fd);
}

static void names(void) {
  show("mkdir", mkdir("d", 0755)), show("mkdir again", mkdir("d", 0755)), show("mkdir .", mkdir(".", 0755));
  show("mkdir /", mkdir("/", 0755));
  const int d = open("d", O_RDONLY | O_DIRECTORY);
  show("mkdirat", mkdirat(d, "e", 0700));
  show("creat", creat("d/f", 0600) >= 0);
  show("openat", openat(d, "g", O_CREAT | O_WRONLY, 0640) >= 0);
  show("open dir for writing", open("d", O_WRONLY));
  show("file as dir", open("d/f/x", O_RDONLY)),
      show("O_DIRECTORY on file", open("d/f", O_RDONLY | O_DIRECTORY));
  show("missing", open("d/none/x", O_RDONLY));
  show("symlink", symlink("f", "d/l")), show("symlinkat", symlinkat("e", d, "le"));
  show("O_NOFOLLOW", open("d/l", O_RDONLY | O_NOFOLLOW));
  char text[64] = "";
  show("readlink", readlink("d/l", text, sizeof text)), show("readlinkat", readlinkat(d, "le", text, 1));
  show("readlink of file", readlink("d/f", text, sizeof text));
  show("link", link("d/f", "d/h")), show("linkat", linkat(d, "f", d, "i", 0)),
      show("link exists", link("d/f", "d/h"));
  struct stat st;
  show("stat", stat("d/h", &st)), show("nlink", (long)st.st_nlink), show("mode", st.st_mode);
  show("lstat", lstat("d/l", &st)), show("is link", S_ISLNK(st.st_mode)), show("size", st.st_size);
  show("fstatat", fstatat(d, "g", &st, 0)), show("mode", st.st_mode);
  struct statx x;
  show("statx", statx(d, "g", 0, STATX_BASIC_STATS, &x)), show("mode", x.stx_mode);
  show("rename", rename("d/h", "d/j")), show("renameat", renameat(d, "j", d, "k"));
  show("no replace", syscall(SYS_renameat2, d, "k", d, "f", 1)),
      show("exchange", syscall(SYS_renameat2, d, "k", d, "g", 2));
  show("rename missing", rename("d/none", "d/x")), show("dir over file", rename("d/e", "d/f"));
  show("unlink dir", unlink("d/e") < 0), show("rmdir full", rmdir("d")), show("rmdir file", rmdir("d/f"));
  show("rmdir", rmdir("d/e")), show("unlinkat", unlinkat(d, "k", 0)), show("unlink missing", unlink("d/k"));
  show("access", access("d/g", R_OK | W_OK)), show("faccessat", faccessat(d, "none", F_OK, 0));
  show("too long", open(strcat(memset(malloc(5000), 'a', 300), ""), O_RDONLY) < 0);
  struct dirent* e;
  char* sorted[16];
  int n = 0;
  DIR* listing = fdopendir(dup(d));
  while ((e = readdir(listing)) && n < 16) sorted[n++] = strdup(e->d_name);
  for (int i = 0; i < n; ++i)
    for (int j = i + 1; j < n; ++j)
      if (strcmp(sorted[i], sorted[j]) > 0) {
        char* t = sorted[i];
        sorted[i] = sorted[j];
        sorted[j] = t;
      }
  for (int i = 0; i < n; ++i) printf("%s ", sorted[i]);
  puts("");
  show("chdir", chdir("d"));
  printf("%s\n", strrchr(getcwd(text, sizeof text) ? text : "/?", '/'));
  show("short buffer", syscall(SYS_getcwd, text, 2));
  show("fchdir", fchdir(d)), show("chdir to file", chdir("f")), show("chdir up", chdir(".."));
}

static void modes(void) {
  struct stat st;
  show("umask", umask(027));
  close(open("m", O_CREAT | O_WRONLY, 0666));
  show("mode", (stat("m", &st), st.st_mode));
  show("chmod", chmod("m", 0640)), show("fchmodat", fchmodat(AT_FDCWD, "m", 0604, 0));
  const int fd = open("m", O_RDWR);
  show("fchmod", fchmod(fd, 0600)), show("mode", (fstat(fd, &st), st.st_mode));
  struct timespec t[2] = {{1000, 5000}, {2000, 7000}};
  show("utimensat", utimensat(AT_FDCWD, "m", t, 0));
  stat("m", &st), printf("%ld.%ld %ld.%ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec,
                         st.st_mtim.tv_nsec);
  t[0].tv_nsec = UTIME_OMIT, t[1].tv_sec = 3000;
  show("futimens", futimens(fd, t));
  struct utimbuf u = {11, 22};
  show("utime", syscall(SYS_utime, "m", &u)), show("mtime", (stat("m", &st), st.st_mtim.tv_sec));
  struct timeval v[2] = {{33, 0}, {44, 5}};
  show("utimes", syscall(SYS_utimes, "m", v)), show("mtime", (stat("m", &st), st.st_mtim.tv_sec));
  show("futimesat", syscall(SYS_futimesat, AT_FDCWD, "m", v)),
      show("bad", (v[0].tv_usec = -1, syscall(SYS_utimes, "m", v)));
  struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  show("lock", fcntl(fd, F_SETLK, &l)), show("asked", (fcntl(fd, F_GETLK, &l), l.l_type == F_UNLCK));
  show("flock", flock(fd, LOCK_EX | LOCK_NB)), show("flock bad", flock(fd, 77));
  const int other = open("m", O_RDONLY);
  show("flock of another", flock(other, LOCK_SH | LOCK_NB)), show("unlock", flock(fd, LOCK_UN));
  show("flock now", flock(other, LOCK_SH | LOCK_NB));
  close(other), close(fd);
}

int main(int argc, char** argv) {
  if (argc != 2 || chdir(argv[1]) != 0) return 1;
  bytes();
  names();
  modes();
  return 0;
}
