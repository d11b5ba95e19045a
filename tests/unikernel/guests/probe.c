// An ordinary program that says what it finds: probe COMMAND [ARGUMENTS]. Failing calls print "NAME -ERRNO".
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

extern char** environ;
static char** arg;

static int result(const char* name, long r) {
  printf("%s %ld\n", name, r < 0 ? -(long)errno : r);
  return 0;
}

static int args(void) {
  for (int i = 0; arg[i]; i++) printf("arg %s\n", arg[i]);
  for (char** e = environ; *e; e++) printf("env %s\n", *e);
  return 0;
}

static int auxv(void) {
  const unsigned char* r = (const unsigned char*)getauxval(AT_RANDOM);
  printf("random ");
  for (int i = 0; r && i < 16; i++) printf("%02x", r[i]);
  printf("\nvdso %s\n", getauxval(AT_SYSINFO_EHDR) ? "yes" : "no");
  const char* elf = (const char*)getauxval(AT_SYSINFO_EHDR);
  printf("vdso_magic %s\n", elf && memcmp(elf,
                                          "\x7f"
                                          "ELF",
                                          4) == 0
                                ? "ELF"
                                : "none");
  printf("page %lu\nsecure %lu\nuid %lu\nheaders %lu\nticks %lu\n", getauxval(AT_PAGESZ),
         getauxval(AT_SECURE), getauxval(AT_UID), getauxval(AT_PHENT), getauxval(AT_CLKTCK));
  printf("name %s\n", (const char*)getauxval(AT_EXECFN));
  int local;
  printf("stack_address %lx\nstack_alignment %lu\n", (unsigned long)&local & ~0xfffful,
         (unsigned long)arg % 8);
  return 0;
}

static int cat(void) {
  char buffer[65536];
  ssize_t n;
  while ((n = read(0, buffer, sizeof buffer)) > 0)
    if (write(1, buffer, (size_t)n) != n) return 1;
  return n < 0 ? 2 : 0;
}

static int both(void) {
  fputs("to stdout\n", stdout);
  fputs("to stderr\n", stderr);
  return 0;
}

static int leave(void) {
  exit(atoi(arg[0]));
}
static int raw_exit(void) {
  _exit(atoi(arg[0]));
}
static int die_by(void) {
  return raise(atoi(arg[0]));
}
static int aborting(void) {
  abort();
}
static int stray(void) {
  return *(volatile int*)strtoul(arg[0], NULL, 16);
}

static void handled(int s) {
  static const char text[] = "handled\n";
  (void)s;
  if (write(1, text, 8) < 0) _exit(9);
}
static int handler(void) {
  struct sigaction a = {.sa_handler = handled};
  sigaction(SIGUSR1, &a, NULL);
  return result("raise", raise(SIGUSR1));
}

static void* exit_thread(void* unused) {
  (void)unused;
  struct timespec t = {0, 20000000};
  nanosleep(&t, NULL);
  puts("last");
  fflush(stdout);
  return NULL;
}
static int main_leaves_first(void) {  // the process ends with its last thread, with status 0
  pthread_t t;
  if (pthread_create(&t, NULL, exit_thread, NULL)) return 3;
  pthread_exit(NULL);
}

static int read_file(void) {
  char buffer[4096];
  int fd = open(arg[0], O_RDONLY);
  if (fd < 0) return result("open", fd);
  ssize_t n = read(fd, buffer, sizeof buffer - 1);
  if (n < 0) return result("read", n);
  buffer[n] = 0;
  printf("content %s\n", buffer);
  return 0;
}
static int open_file(void) {  // open PATH FLAGS
  int fd = open(arg[0], (int)strtol(arg[1], NULL, 0), 0600);
  return result("open", fd < 0 ? fd : 0);
}
static int write_file(void) {  // write PATH TEXT
  int fd = open(arg[0], O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) return result("open", fd);
  return result("write", write(fd, arg[1], strlen(arg[1])));
}
static int list(void) {
  DIR* d = opendir(arg[0]);
  if (!d) return result("opendir", -1);
  for (struct dirent* e; (e = readdir(d));) printf("entry %s\n", e->d_name);
  return 0;
}
static int look(void) {
  struct stat s;
  int r = stat(arg[0], &s);
  if (r == 0) printf("size %lld mode %o uid %u\n", (long long)s.st_size, s.st_mode, s.st_uid);
  return result("stat", r);
}
static int link_target(void) {
  char buffer[4096] = {0};
  ssize_t n = readlink(arg[0], buffer, sizeof buffer - 1);
  if (n >= 0) printf("target %s\n", buffer);
  return result("readlink", n < 0 ? n : 0);
}
// Opens a folder, then a path below that descriptor: openat PATH BELOW
static int below(void) {
  int d = open(arg[0], O_RDONLY | O_DIRECTORY);
  if (d < 0) return result("open", d);
  int fd = openat(d, arg[1], O_RDONLY);
  if (fd < 0) return result("openat", fd);
  char buffer[4096] = {0};
  ssize_t n = read(fd, buffer, sizeof buffer - 1);
  if (n >= 0) printf("content %s\n", buffer);
  return result("read", n);
}
static int change_folder(void) {
  if (chdir(arg[0]) < 0) return result("chdir", -1);
  char buffer[4096];
  printf("cwd %s\n", getcwd(buffer, sizeof buffer));
  arg++;
  return read_file();
}
static int tamper(void) {  // every call that would change PATH or its folder
  const char* p = arg[0];
  result("open_write", open(p, O_WRONLY));
  result("open_truncate", open(p, O_RDONLY | O_TRUNC));
  result("truncate", truncate(p, 0));
  result("unlink", unlink(p));
  result("rename", rename(p, arg[1]));
  result("link", link(p, arg[1]));
  result("symlink", symlink("/etc/passwd", arg[1]));
  result("mkdir", mkdir(arg[1], 0700));
  result("mknod", mknod(arg[1], S_IFCHR | 0600, 0x103));
  result("create", open(arg[1], O_WRONLY | O_CREAT, 0600));
  result("chmod", chmod(p, 04777));
  result("chown", chown(p, 0, 0));
  return 0;
}

static int identity(void) {
  struct utsname u;
  uname(&u);
  printf("uid %u\ngid %u\npid %d\nppid %d\nsystem %s\nmachine %s\n", getuid(), getgid(), getpid(), getppid(),
         u.sysname, u.machine);
  char name[256] = "";
  gethostname(name, sizeof name);
  printf("host %s\n", name);
  return 0;
}

static int burn(void) {  // milliseconds of CPU time
  struct timespec t;
  long ms = atol(arg[0]);
  volatile unsigned long x = 0;
  do {
    for (int i = 0; i < 1000000; i++) x++;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  } while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms);
  puts("burnt");
  return 0;
}
static int nap(void) {
  long ms = atol(arg[0]);
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&t, NULL);
  puts("rested");
  return 0;
}
static int allocate(void) {  // MiB
  size_t size = (size_t)atol(arg[0]) << 20;
  char* p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return result("mmap", -1);
  for (size_t i = 0; i < size; i += 4096) p[i] = (char)i;
  puts("allocated");
  return 0;
}
static pthread_barrier_t barrier;
static void* meet(void* unused) {
  pthread_barrier_wait(&barrier);
  return unused;
}
static int parallel(void) {  // N threads alive at once, besides the first
  int n = atoi(arg[0]);
  pthread_t t[1024];
  pthread_attr_t a;
  pthread_attr_init(&a);
  pthread_attr_setstacksize(&a, 65536);
  pthread_barrier_init(&barrier, NULL, (unsigned)n + 1);
  for (int i = 0; i < n; i++) {
    int r = pthread_create(&t[i], &a, meet, NULL);
    if (r) {
      printf("pthread_create %d\n", -r);
      fflush(stdout);
      _exit(0);
    }
  }
  meet(NULL);
  for (int i = 0; i < n; i++) pthread_join(t[i], NULL);
  puts("all met");
  return 0;
}
static int descriptors(void) {
  int n = atoi(arg[0]);
  for (int i = 0; i < n; i++)
    if (dup(1) < 0) return result("dup", -1);
  puts("opened");
  return 0;
}

static int listen_on(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(arg[0]))};
  a.sin_addr.s_addr = arg[1] ? inet_addr(arg[1]) : htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  result("socket", fd < 0 ? fd : 0);
  int r = bind(fd, (struct sockaddr*)&a, sizeof a);
  result("bind", r);
  return result("listen", r < 0 ? r : listen(fd, 8));
}
static int connect_to(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(arg[1]))};
  a.sin_addr.s_addr = inet_addr(arg[0]);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return result("socket", fd);
  return result("connect", connect(fd, (struct sockaddr*)&a, sizeof a));
}
static int sockets(void) {  // address families that are no business of a guest
  result("unix", socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? -1 : 0);
  result("netlink", socket(AF_NETLINK, SOCK_RAW, 0) < 0 ? -1 : 0);
  result("packet", socket(AF_PACKET, SOCK_RAW, 0) < 0 ? -1 : 0);
  result("raw", socket(AF_INET, SOCK_RAW, 1) < 0 ? -1 : 0);
  result("alg", socket(38, SOCK_SEQPACKET, 0) < 0 ? -1 : 0);
  return 0;
}

static const struct {
  const char* name;
  int (*run)(void);
  int arguments;
} table[] = {
    {"args", args, 0},
    {"auxv", auxv, 0},
    {"cat", cat, 0},
    {"both", both, 0},
    {"exit", leave, 1},
    {"raw_exit", raw_exit, 1},
    {"raise", die_by, 1},
    {"abort", aborting, 0},
    {"stray", stray, 1},
    {"handler", handler, 0},
    {"main_leaves_first", main_leaves_first, 0},
    {"read", read_file, 1},
    {"open", open_file, 2},
    {"write", write_file, 2},
    {"list", list, 1},
    {"stat", look, 1},
    {"readlink", link_target, 1},
    {"openat", below, 2},
    {"chdir", change_folder, 2},
    {"tamper", tamper, 2},
    {"identity", identity, 0},
    {"burn", burn, 1},
    {"nap", nap, 1},
    {"allocate", allocate, 1},
    {"parallel", parallel, 1},
    {"descriptors", descriptors, 1},
    {"listen", listen_on, 1},
    {"connect", connect_to, 2},
    {"sockets", sockets, 0},
};

int main(int argc, char** argv) {
  for (size_t i = 0; argc >= 2 && i < sizeof table / sizeof table[0]; i++)
    if (strcmp(argv[1], table[i].name) == 0 && argc >= 2 + table[i].arguments) {
      arg = argv + 2;
      return table[i].run();
    }
  fputs("probe: unknown command\n", stderr);
  return 99;
}
