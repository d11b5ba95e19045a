// Guest pointers at every wrong place in every system call. No call may accept one, harm the host or end the
// guest.
//   pointers each     one wrong pointer at a time, the other arguments sensible
//   pointers nested   wrong pointers inside iovecs, message headers, ...
//   pointers all      every number with wrong pointers in all six arguments
//   pointers unknown  numbers that no kernel has
#include "raw.h"

enum { P = 0x50505050 };  // stands for "a valid pointer" in the rows below

static unsigned char buffer[8192] __attribute__((aligned(4096)));
static int pipe_fd[2], event_fd, epoll_fd, timer_fd, socket_fd, memory_fd;
static u64 edge;  // the last byte of a mapped page; the next one is not mapped
static u64 read_only_page;

static const u64 wrong[] = {
    8,  // null page
    0xfff,
    0x1000,
    0x0000123456789000,  // nothing there
    0x00007fff7ffffff8,  // the end of user space
    0x00007fff80000000,
    0x00007fffc0000000,  // the VMM's own pages
    0x00007fffc0002000,
    0x00007fffffffffff,
    0x0000800000000000,  // not canonical
    0x8000000000000000,
    0xffff800000000000,  // kernel half
    0xffffffffff600000,
    0xffffffffffffff00,  // wraps around
    0xfffffffffffffff8,
    0xffffffffffffffff,
};

struct row {
  short number;
  const char* name;
  u64 arguments[6];
  int lenient;  // success is right, for example because the address is only a hint
};
#define SYS(n) __NR_##n, #n
// FD placeholders, replaced at run time.
enum { PIPE_R = 0x7001, PIPE_W, EVENT, EPOLL, TIMER, SOCKET };

static const struct row rows[] = {
    {SYS(read), {PIPE_R, P, 64}, 0},
    {SYS(write), {PIPE_W, P, 64}, 0},
    {SYS(open), {P, 0, 0}, 0},
    {SYS(stat), {P, P}, 0},
    {SYS(lstat), {P, P}, 0},
    {SYS(fstat), {1, P}, 0},
    {SYS(poll), {P, 1, 0}, 0},
    {SYS(ioctl), {PIPE_R, 0x541b, P}, 0},
    {SYS(readv), {PIPE_R, P, 1}, 0},
    {SYS(writev), {PIPE_W, P, 1}, 0},
    {SYS(access), {P, 0}, 0},
    {SYS(nanosleep), {P, 0}, 0},
    {SYS(sendto), {SOCKET, P, 8, 0x4040, 0, 0}, 0},
    {SYS(recvfrom), {SOCKET, P, 8, 0x4040, 0, 0}, 0},
    {SYS(sendmsg), {SOCKET, P, 0x4040}, 0},
    {SYS(recvmsg), {SOCKET, P, 0x4040}, 0},
    {SYS(bind), {SOCKET, P, 16}, 0},
    {SYS(connect), {SOCKET, P, 16}, 0},
    {SYS(getsockname), {SOCKET, P, P}, 0},
    {SYS(getpeername), {SOCKET, P, P}, 0},
    {SYS(setsockopt), {SOCKET, 1, 2, P, 4}, 0},
    {SYS(getsockopt), {SOCKET, 1, 3, P, P}, 0},
    {SYS(accept4), {SOCKET, P, P, 0}, 0},
    {SYS(socketpair), {1, 1, 0, P}, 0},
    {SYS(uname), {P}, 0},
    {SYS(getcwd), {P, 256}, 0},
    {SYS(chdir), {P}, 0},
    {SYS(mkdir), {P, 0700}, 0},
    {SYS(rename), {P, P}, 0},
    {SYS(unlink), {P}, 0},
    {SYS(readlink), {P, P, 64}, 0},
    {SYS(symlink), {P, P}, 0},
    {SYS(truncate), {P, 0}, 0},
    {SYS(gettimeofday), {P, 0}, 0},
    {SYS(getrlimit), {7, P}, 0},
    {SYS(getrusage), {0, P}, 0},
    {SYS(sysinfo), {P}, 0},
    {SYS(times), {P}, 0},
    {SYS(time), {P}, 0},
    {SYS(getgroups), {32, P}, 1},  // no group: nothing is written
    {SYS(getresuid), {P, P, P}, 0},
    {SYS(rt_sigaction), {10, P, P, 8}, 0},
    {SYS(rt_sigprocmask), {0, P, P, 8}, 0},
    {SYS(rt_sigpending), {P, 8}, 0},
    {SYS(sigaltstack), {P, P}, 0},
    {SYS(statfs), {P, P}, 0},
    {SYS(fstatfs), {1, P}, 0},
    {SYS(prctl), {15, P, 0, 0, 0}, 0},
    {SYS(prctl), {16, P, 0, 0, 0}, 0},
    {SYS(arch_prctl), {0x1003, P}, 0},
    {SYS(futex), {P, 0, 1, 0, 0, 0}, 0},
    {SYS(futex), {P, 128, 1, P, 0, 0}, 0},
    {SYS(futex), {P, 1, 1, 0, 0, 0}, 1},  // a private wake need not touch the word
    {SYS(futex), {P, 129, 1, 0, 0, 0}, 1},
    {SYS(futex), {P, 4, 0, 0, P, 12345}, 0},
    {SYS(futex), {P, 5, 0, 0, P, 0}, 0},
    {SYS(sched_getaffinity), {0, 128, P}, 0},
    {SYS(sched_getparam), {0, P}, 0},
    {SYS(set_robust_list), {P, 24}, 1},
    {SYS(set_tid_address), {P}, 1},
    {SYS(getdents64), {1, P, 512}, 0},
    {SYS(clock_gettime), {1, P}, 0},
    {SYS(clock_getres), {1, P}, 0},
    {SYS(clock_nanosleep), {1, 0, P, 0}, 0},
    {SYS(epoll_ctl), {EPOLL, 1, TIMER, P}, 0},
    {SYS(epoll_wait), {EPOLL, P, 4, 0}, 0},
    {SYS(epoll_pwait), {EPOLL, P, 4, 0, 0, 8}, 0},
    {SYS(ppoll), {P, 1, P, 0, 8}, 0},
    {SYS(select), {4, P, 0, 0, P}, 0},
    {SYS(pselect6), {4, P, 0, 0, P, 0}, 0},
    {SYS(timerfd_settime), {TIMER, 0, P, P}, 0},
    {SYS(timerfd_gettime), {TIMER, P}, 0},
    {SYS(pipe), {P}, 0},
    {SYS(pipe2), {P, 0}, 0},
    {SYS(openat), {-100, P, 0, 0}, 0},
    {SYS(newfstatat), {-100, P, P, 0}, 0},
    {SYS(readlinkat), {-100, P, P, 64}, 0},
    {SYS(faccessat), {-100, P, 0}, 0},
    {SYS(statx), {-100, P, 0, 0xfff, P}, 0},
    {SYS(preadv), {PIPE_R, P, 1, 0}, 0},
    {SYS(pread64), {PIPE_R, P, 8, 0}, 0},
    {SYS(pwrite64), {PIPE_W, P, 8, 0}, 0},
    {SYS(prlimit64), {0, 7, P, P}, 0},
    {SYS(getrandom), {P, 64, 0}, 0},
    {SYS(getcpu), {P, P, 0}, 0},
    {SYS(memfd_create), {P, 0}, 0},
    {SYS(clone3), {P, 88}, 0},
    {SYS(execve), {P, P, P}, 0},
    {SYS(mprotect), {P, 4096, 3}, 0},
    {SYS(munmap), {P, 4096}, 1},
    {SYS(madvise), {P, 4096, 4}, 0},
    {SYS(mremap), {P, 4096, 8192, 1, 0}, 0},
    {SYS(brk), {P}, 1},
    {SYS(msync), {P, 4096, 4}, 0},
    {SYS(mlock), {P, 4096}, 0},
    {SYS(mmap), {P, 4096, 3, 0x22, -1, 0}, 1},
};

static u64 substitute(u64 v) {
  switch (v) {
    case PIPE_R: return (u64)pipe_fd[0];
    case PIPE_W: return (u64)pipe_fd[1];
    case EVENT: return (u64)event_fd;
    case EPOLL: return (u64)epoll_fd;
    case TIMER: return (u64)timer_fd;
    case SOCKET: return (u64)socket_fd;
    case P: return (u64)buffer;
  }
  return v;
}

static void fill_pipe(void) {
  static const char text[64] = "something to read";
  raw_3(__NR_write, pipe_fd[1], text, sizeof text);
}

// A page of zeros, except that a length read from its beginning says 16.
static void reset_buffer(void) {
  for (size_t i = 0; i < sizeof buffer; i++) buffer[i] = 0;
  buffer[0] = 16;
}

static int failures;

static void judge(const struct row* r, int position, u64 pointer, i64 result) {
  if (result < 0 && result >= -4095) return;
  if (r->lenient) return;
  say(r->name);
  say_number(": argument", position);
  say_hex("  pointer", pointer);
  say_number("  accepted with", result);
  failures++;
}

static int changes_memory(int n) {
  return n == __NR_munmap || n == __NR_mprotect || n == __NR_mremap || n == __NR_madvise || n == __NR_mmap ||
         n == __NR_brk;
}
// With a time that happens to lie at an odd address these would sleep for long.
static int waits(int n) {
  return n == __NR_nanosleep || n == __NR_clock_nanosleep || n == __NR_ppoll || n == __NR_select ||
         n == __NR_pselect6 || n == __NR_futex;
}

static int each(void) {
  i64 calls = 0;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const struct row* r = &rows[i];
    for (int position = 0; position < 6; position++) {
      if (r->arguments[position] != P) continue;
      for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++) {
        u64 a[6];
        for (int k = 0; k < 6; k++) a[k] = substitute(r->arguments[k]);
        a[position] = wrong[w];
        reset_buffer();
        fill_pipe();
        judge(r, position, wrong[w], raw_6(r->number, a[0], a[1], a[2], a[3], a[4], a[5]));
        calls++;
      }
      // Straddling the end of a mapped page, and read-only memory: whatever the answer, the neighbours stay
      // whole.
      u64 a[6];
      for (int k = 0; k < 6; k++) a[k] = substitute(r->arguments[k]);
      const u64 odd[] = {edge, edge - 1, edge - 3, read_only_page};
      for (int k = 0; k < 4; k++) {
        if (changes_memory(r->number) || waits(r->number)) continue;
        a[position] = odd[k];
        reset_buffer();
        fill_pipe();
        raw_6(r->number, a[0], a[1], a[2], a[3], a[4], a[5]);
        calls++;
      }
    }
  }
  say_number("calls", calls);
  for (int i = 0; i < 4096; i++)
    if (((volatile char*)read_only_page)[i] != 0) {
      say("read-only page was written\n");
      return breach;
    }
  return failures ? breach : contained;
}

struct vector {
  u64 base, size;
};
struct message {
  u64 name;
  unsigned name_size, pad;
  u64 vectors, vector_count, control, control_size;
  int flags;
};

static void nested_case(const char* what, i64 result) {
  if (result < 0 && result >= -4095) return;
  say(what);
  say_number(" accepted with", result);
  failures++;
}

static int nested(void) {
  for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++) {
    u64 bad = wrong[w];
    struct vector* v = (struct vector*)buffer;
    struct message* m = (struct message*)(buffer + 1024);
    fill_pipe();
    *v = (struct vector){bad, 64};
    nested_case("readv base", raw_3(__NR_readv, pipe_fd[0], v, 1));
    nested_case("writev base", raw_3(__NR_writev, pipe_fd[1], v, 1));
    *v = (struct vector){(u64)buffer, bad < 0x8000000000000000 ? ~bad : bad};
    nested_case("writev size", raw_3(__NR_writev, pipe_fd[1], v, 1));
    nested_case("writev count", raw_3(__NR_writev, pipe_fd[1], v, bad | 0x10000));
    nested_case("writev count overflow", raw_3(__NR_writev, pipe_fd[1], v, 0x1000000000000001));
    v[0] = v[1] = (struct vector){(u64)buffer, 0x7fffffffffffffff};
    // What fits is written; nothing behind the buffer's end is.
    if (raw_3(__NR_writev, pipe_fd[1], v, 2) > (i64)sizeof buffer) nested_case("writev sum", 1);
    while (raw_3(__NR_read, pipe_fd[0], buffer, sizeof buffer) > 0) {
    }
    fill_pipe();
    *v = (struct vector){(u64)buffer, 8};
    *m = (struct message){.vectors = bad, .vector_count = 1};
    nested_case("sendmsg vectors", raw_3(__NR_sendmsg, socket_fd, m, 0x4040));
    *m = (struct message){.vectors = (u64)v, .vector_count = bad | 0x10000};
    nested_case("sendmsg vector count", raw_3(__NR_sendmsg, socket_fd, m, 0x4040));
    *m = (struct message){.vectors = (u64)v, .vector_count = 1, .control = bad, .control_size = 64};
    nested_case("sendmsg control", raw_3(__NR_sendmsg, socket_fd, m, 0x4040));
    *m = (struct message){.vectors = (u64)v, .vector_count = 1, .name = bad, .name_size = 16};
    nested_case("sendmsg name", raw_3(__NR_sendmsg, socket_fd, m, 0x4040));
    *m = (struct message){
        .vectors = (u64)v, .vector_count = 1, .control = (u64)buffer, .control_size = bad | 0x100000};
    nested_case("recvmsg control size", raw_3(__NR_recvmsg, socket_fd, m, 0x4040));
    // A poll set that is far larger than any table, and sizes that overflow when multiplied.
    nested_case("poll count", raw_3(__NR_poll, buffer, 0x7fffffff, 0));
    nested_case("epoll count", raw_4(__NR_epoll_wait, epoll_fd, buffer, 0x7fffffff, 0));
    nested_case("select count", raw_6(__NR_select, 0x7fffffff, bad, 0, 0, (u64)buffer, 0));
    nested_case("read size", raw_3(__NR_read, pipe_fd[0], bad, ~0ull));
    nested_case("getdents size", raw_3(__NR_getdents64, 1, bad, ~0ull));
    nested_case("getrandom size", raw_3(__NR_getrandom, bad, ~0ull, 0));
    reset_buffer();
    // A time that is no time.
    ((u64*)buffer)[0] = bad | 0x8000000000000000;
    nested_case("nanosleep negative", raw_2(__NR_nanosleep, buffer, 0));
    ((u64*)buffer)[0] = 0;
    ((u64*)buffer)[1] = 1000000000;
    nested_case("nanosleep nanoseconds", raw_2(__NR_nanosleep, buffer, 0));
    reset_buffer();
    // Reading into code and into read-only data: the right counts, not only the presence.
    fill_pipe();
    nested_case("read into code", raw_3(__NR_read, pipe_fd[0], (u64)&nested, 16));
    nested_case("read into read-only page", raw_3(__NR_read, pipe_fd[0], read_only_page, 16));
    nested_case("getrandom into code", raw_3(__NR_getrandom, (u64)&nested, 16, 0));
    nested_case("clock_gettime into code", raw_2(__NR_clock_gettime, 1, (u64)&nested));
    // Write-only descriptors, names without an end.
    nested_case("read from the writing end", raw_3(__NR_read, pipe_fd[1], buffer, 16));
    for (size_t i = 0; i < sizeof buffer; i++) buffer[i] = 'a';
    nested_case("endless path", raw_3(__NR_open, buffer, 0, 0));
    reset_buffer();
  }
  // Socket addresses of every length, of a family that does not exist.
  buffer[0] = buffer[1] = 0xee;
  for (unsigned n = 0; n < 300; n++) nested_case("connect length", raw_3(__NR_connect, socket_fd, buffer, n));
  for (int fd = -5; fd < 600; fd = fd == -1 ? 500 : fd + 1) {
    if (fd >= 0 && fd <= memory_fd + 4) continue;
    nested_case("read of no descriptor", raw_3(__NR_read, fd, buffer, 16));
  }
  return failures ? breach : contained;
}

// Calls that rightly end or block the caller, or start something.
static int leave_out(int n) {
  static const short skip[] = {__NR_exit,       __NR_exit_group,     __NR_rt_sigreturn,
                               __NR_pause,      __NR_rt_sigsuspend,  __NR_rt_sigtimedwait,
                               __NR_fork,       __NR_vfork,          __NR_clone,
                               __NR_kill,       __NR_tkill,          __NR_tgkill,
                               __NR_munmap,     __NR_mprotect,       __NR_mmap,
                               __NR_brk,        __NR_mremap,         __NR_madvise,
                               __NR_arch_prctl, __NR_rt_sigprocmask, __NR_alarm,
                               __NR_setitimer,  __NR_semop,          __NR_semtimedop,
                               __NR_msgsnd,     __NR_msgrcv};
  for (size_t i = 0; i < sizeof skip / sizeof skip[0]; i++)
    if (skip[i] == n) return 1;
  return 0;
}

static int all(void) {
  i64 calls = 0;
  for (int n = 0; n < 512; n++) {
    if (leave_out(n)) continue;
    for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++) {
      raw_6(n, wrong[w], wrong[w], wrong[w], wrong[w], wrong[w], wrong[w]);
      raw_6(n, 0xffffff00, wrong[w], wrong[(w + 1) % 16], wrong[(w + 2) % 16], wrong[w], wrong[w]);
      calls += 2;
    }
  }
  say_number("calls", calls);
  return contained;
}

static int unknown(void) {
  static const u64 numbers[] = {360,        400,        423,        500,         511,
                                512,        513,        1000,       0x40000000,  0x40000001,
                                0x7fffffff, 0x80000000, 0xffffffff, 0x1000001f4, ~0ull};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    i64 r = raw_3((long)numbers[i], 1, "x", 1);
    if (r != -38) {
      say_hex("number", numbers[i]);
      say_number("answered", r);
      failures++;
    }
  }
  if (!failures) say("ENOSYS\n");
  return failures ? breach : contained;
}

static void prepare(void) {
  // A send on a socket without peer is a SIGPIPE besides its error.
  static const u64 ignore[4] = {1 /* SIG_IGN */};
  raw_4(__NR_rt_sigaction, 13, ignore, 0, 8);
  raw_2(__NR_pipe2, pipe_fd, 04000);
  event_fd = (int)raw_2(__NR_eventfd2, 1, 04000);
  epoll_fd = (int)raw_1(__NR_epoll_create1, 0);
  timer_fd = (int)raw_2(__NR_timerfd_create, 1, 04000);
  socket_fd = (int)raw_3(__NR_socket, 2, 1 | 04000, 0);
  memory_fd = socket_fd;
  struct {
    unsigned events;
    u64 data;
  } __attribute__((packed)) e = {1, 7};
  raw_4(__NR_epoll_ctl, epoll_fd, 1, event_fd, &e);
  u64 two = map_pages(0x30000000000, 8192, prot_read | prot_write);
  raw_2(__NR_munmap, two + 4096, 4096);
  *(volatile char*)two = 0;
  edge = two + 4095;
  read_only_page = map_pages(0, 4096, prot_read);
}

int run(int argc, char** argv) {
  if (argc != 2) return bad_usage;
  prepare();
  if (same(argv[1], "each")) return each();
  if (same(argv[1], "nested")) return nested();
  if (same(argv[1], "all")) return all();
  if (same(argv[1], "unknown")) return unknown();
  return bad_usage;
}
