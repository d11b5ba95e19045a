// Port I/O that is no system call: ports NAME PORT. Every form must end the guest as bad_port or protection;
// a guest that carries on with data from a port has breached.
#include "raw.h"

static char buffer[4096] __attribute__((aligned(16)));

static void in8(unsigned p) {
  __asm__ volatile("in %%dx, %%al" ::"d"(p) : "rax");
}
static void in16(unsigned p) {
  __asm__ volatile("in %%dx, %%ax" ::"d"(p) : "rax");
}
static void in32(unsigned p) {
  __asm__ volatile("in %%dx, %%eax" ::"d"(p) : "rax");
}
// As the stub would be called: RCX says where to go on, so that a VMM that served it would come back here.
static void out8(unsigned p) {
  __asm__ volatile("lea 1f(%%rip), %%rcx\npushf\npop %%r11\nout %%al, %%dx\n1:" ::"d"(p), "a"(39)
                   : "rcx", "r11", "memory");
}
static void out16(unsigned p) {
  __asm__ volatile("out %%ax, %%dx" ::"d"(p), "a"(39));
}
static void out32(unsigned p) {
  __asm__ volatile("out %%eax, %%dx" ::"d"(p), "a"(39));
}
static void insb(unsigned p) {
  void* to = buffer;
  __asm__ volatile("insb" : "+D"(to) : "d"(p) : "memory");
}
static void rep_insb(unsigned p) {
  void* to = buffer;
  u64 n = 100;
  __asm__ volatile("rep insb" : "+D"(to), "+c"(n) : "d"(p) : "memory");
}
static void outsb(unsigned p) {
  const void* from = buffer;
  __asm__ volatile("outsb" : "+S"(from) : "d"(p) : "memory");
}
static void rep_outsb(unsigned p) {
  const void* from = buffer;
  u64 n = 100;
  __asm__ volatile("rep outsb" : "+S"(from), "+c"(n) : "d"(p) : "memory");
}
static void rep_outsl(unsigned p) {
  const void* from = buffer;
  u64 n = 100;
  __asm__ volatile("rep outsl" : "+S"(from), "+c"(n) : "d"(p) : "memory");
}

static const struct {
  const char* name;
  void (*attack)(unsigned);
} table[] = {
#define ROW(n) \
  { #n, n }
    ROW(in8),  ROW(in16),     ROW(in32),  ROW(out8),      ROW(out16),     ROW(out32),
    ROW(insb), ROW(rep_insb), ROW(outsb), ROW(rep_outsb), ROW(rep_outsl),
};

int run(int argc, char** argv) {
  for (size_t i = 0; argc == 3 && i < sizeof table / sizeof table[0]; i++)
    if (same(argv[1], table[i].name)) {
      table[i].attack((unsigned)number(argv[2]));
      say("came back\n");
      return breach;
    }
  return bad_usage;
}
