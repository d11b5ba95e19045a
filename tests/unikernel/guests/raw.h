// For hostile guests: no libc, system calls by hand. A guest defines `int run(int argc, char** argv)`.
// Exit statuses that tests know: 0 the guest was contained as expected and says so itself; 66 "breach": it
// got what it must not get; anything else is a broken guest.
#ifndef OSVM_TEST_GUEST_RAW_H
#define OSVM_TEST_GUEST_RAW_H

#include <asm/unistd_64.h>
#include <stddef.h>
#include <stdint.h>

enum { contained = 0, breach = 66, bad_usage = 2 };

typedef uint64_t u64;
typedef int64_t i64;

// The VMM's own pages, which a guest knows from reading the source (lib/kvm/system_area.hpp). In
// supervisor_page lies the GDT.
static const u64 supervisor_page = 0x7fffc0000000, stub_page = 0x7fffc0002000, user_top = 0x7fff80000000;

static inline i64 call6(long n, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  i64 r;
  register u64 r10 __asm__("r10") = d;
  register u64 r8 __asm__("r8") = e;
  register u64 r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(r)
                   : "0"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return r;
}
#define raw_0(n) call6(n, 0, 0, 0, 0, 0, 0)
#define raw_1(n, a) call6(n, (u64)(a), 0, 0, 0, 0, 0)
#define raw_2(n, a, b) call6(n, (u64)(a), (u64)(b), 0, 0, 0, 0)
#define raw_3(n, a, b, c) call6(n, (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)
#define raw_4(n, a, b, c, d) call6(n, (u64)(a), (u64)(b), (u64)(c), (u64)(d), 0, 0)
#define raw_6(n, a, b, c, d, e, f) call6(n, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f))

static inline _Noreturn void quit(int status) {
  for (;;) raw_1(__NR_exit_group, status);
}

static inline size_t length(const char* s) {
  size_t n = 0;
  while (s[n]) n++;
  return n;
}
static inline int same(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}
static inline void say(const char* s) {
  raw_3(__NR_write, 1, s, length(s));
}
static inline void say_hex(const char* name, u64 v) {
  char text[80];
  size_t n = 0;
  for (; name[n] && n < 60; n++) text[n] = name[n];
  text[n++] = ' ';
  int shift = 60;
  while (shift > 0 && !(v >> shift)) shift -= 4;
  for (; shift >= 0; shift -= 4) text[n++] = "0123456789abcdef"[(v >> shift) & 15];
  text[n++] = '\n';
  raw_3(__NR_write, 1, text, n);
}
static inline void say_number(const char* name, i64 v) {
  char text[80], digits[24];
  size_t n = 0, d = 0;
  for (; name[n] && n < 50; n++) text[n] = name[n];
  text[n++] = ' ';
  if (v < 0) text[n++] = '-', v = -v;
  do digits[d++] = (char)('0' + v % 10);
  while ((v /= 10));
  while (d) text[n++] = digits[--d];
  text[n++] = '\n';
  raw_3(__NR_write, 1, text, n);
}
static inline i64 number(const char* s) {
  u64 v = 0;
  if (s[0] == '0' && s[1] == 'x') {
    for (s += 2; *s; s++) v = v * 16 + (u64)(*s <= '9' ? *s - '0' : *s - 'a' + 10);
    return (i64)v;
  }
  while (*s >= '0' && *s <= '9') v = v * 10 + (u64)(*s++ - '0');
  return (i64)v;
}

enum {
  prot_read = 1,
  prot_write = 2,
  prot_exec = 4,
  map_private = 2,
  map_fixed = 16,
  map_anonymous = 32,
  map_noreserve = 0x4000
};

static inline u64 map_pages(u64 at, u64 size, int protection) {
  return (u64)raw_6(__NR_mmap, at, size, protection, map_private | map_anonymous | (at ? map_fixed : 0), -1,
                    0);
}
static inline int is_error(u64 r) {
  return r >= (u64)-4095;
}

static inline unsigned privilege(void) {
  u64 cs;
  __asm__ volatile("mov %%cs, %0" : "=r"(cs));
  return cs & 3;
}
// Every attack that survives its own attempt ends here: still at CPL 3?
static inline int still_contained(void) {
  if (privilege() == 3) return contained;
  say("running at CPL 0\n");
  return breach;
}

static inline void pause_ms(unsigned ms) {
  i64 t[2] = {ms / 1000, (i64)(ms % 1000) * 1000000};
  raw_2(__NR_nanosleep, t, 0);
}

// A thread that runs body(argument) on `stack_top` and then ends. Returns its id or -errno.
static inline i64 start_thread(void (*body)(void*), void* argument, u64 stack_top) {
  stack_top = (stack_top & ~15ull) - 32;
  ((u64*)stack_top)[0] = (u64)body;
  ((u64*)stack_top)[1] = (u64)argument;
  i64 r;
  register u64 r10 __asm__("r10") = 0;
  register u64 r8 __asm__("r8") = 0;
  __asm__ volatile(
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 1f\n"
      "pop %%rax\n"
      "pop %%rdi\n"
      "call *%%rax\n"
      "xor %%edi, %%edi\n"
      "mov $60, %%eax\n"
      "syscall\n"
      "1:\n"
      : "=a"(r)
      : "0"((long)__NR_clone), "D"(0x50f00ul /* VM FS FILES SIGHAND THREAD SYSVSEM */), "S"(stack_top),
        "d"(0), "r"(r10), "r"(r8)
      : "rcx", "r11", "memory");
  return r;
}

int run(int argc, char** argv);

__attribute__((used)) static _Noreturn void start_c(u64* stack) {
  quit(run((int)stack[0], (char**)(stack + 1)));
}
__asm__(
    ".globl _start\n"
    "_start:\n"
    "mov %rsp, %rdi\n"
    "and $-16, %rsp\n"
    "call start_c\n");

#endif
