// What a handler is told about a fault, and that it may go on after it.
// exercises: rt_sigaction rt_sigreturn sigaltstack mmap mprotect
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <xmmintrin.h>

static sigjmp_buf back;
static char* page;
static const char* name;

static void fault(int signal, siginfo_t* info, void* context) {
  const greg_t* r = ((ucontext_t*)context)->uc_mcontext.gregs;
  const uintptr_t address = (uintptr_t)info->si_addr;
  char where[40];
  if (address == (uintptr_t)r[REG_RIP])
    snprintf(where, sizeof where, "rip");
  else if (address - (uintptr_t)page < 4096)
    snprintf(where, sizeof where, "page+%d", (int)(address - (uintptr_t)page));
  else
    snprintf(where, sizeof where, "%#lx", address);
  printf("%s: signal %d code %d address %s trap %lld error %llx", name, signal, info->si_code, where,
         r[REG_TRAPNO], r[REG_ERR]);
  if (r[REG_TRAPNO] == 14) printf(" cr2 %d", (uintptr_t)r[REG_CR2] == address);
  printf(" segments %llx\n", r[REG_CSGSFS] & 0xffff00000000ffff);
  siglongjmp(back, 1);
}

#define TRY(what, ...)                \
  do {                                \
    name = what;                      \
    if (!sigsetjmp(back, 1)) {        \
      __VA_ARGS__;                    \
      printf("%s: no fault\n", name); \
    }                                 \
  } while (0)

// Lets these arithmetic exceptions through, in SSE and x87.
static void unmask(unsigned which) {
  _mm_setcsr(0x1f80 & ~(which << 7));
  const unsigned short control = (unsigned short)(0x37f & ~which);
  __asm__ volatile("fninit\nfldcw %0" ::"m"(control));
}

// Go and JVMs: the handler changes what the interrupted code does next.
static void repaired(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)info;
  greg_t* r = ((ucontext_t*)context)->uc_mcontext.gregs;
  r[REG_RAX] = 4242;
  r[REG_RIP] += 3;
}
static void skipping(void) {
  struct sigaction a = {.sa_sigaction = repaired, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &a, NULL);
  uint64_t value;
  // mov (%rbx), %rax is three bytes long.
  __asm__ volatile("xor %%ebx, %%ebx\n.byte 0x48, 0x8b, 0x03" : "=a"(value) : : "rbx");
  printf("repaired %lu\n", value);
}

static void protect_and_go_on(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  mprotect((void*)((uintptr_t)info->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE);
}
// A write barrier by page protection, as garbage collectors have it.
static void write_barrier(void) {
  struct sigaction a = {.sa_sigaction = protect_and_go_on, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &a, NULL);
  enum { pages = 64 };
  char* area = mmap(NULL, pages * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int sum = 0;
  for (int i = 0; i < pages; i++) area[i * 4096 + i] = (char)i;
  for (int i = 0; i < pages; i++) sum += area[i * 4096 + i];
  printf("barrier %d\n", sum);
}

static volatile int depth;
static volatile int endless = 1;
__attribute__((noinline)) static int recurse(int n) {
  volatile char room[4096];
  room[0] = (char)n;
  depth = n;
  return (endless ? recurse(n + 1) : 0) + room[0];
}
static void overflow(void) {
  static char other[65536];
  stack_t s = {.ss_sp = other, .ss_size = sizeof other};
  sigaltstack(&s, NULL);
  name = "stack overflow";
  if (!sigsetjmp(back, 1)) recurse(0);
  printf("overflow survived, deep %d\n", depth > 100);
}
static void overflowed(int signal, siginfo_t* info, void* context) {
  (void)context;
  printf("overflow: signal %d code %d\n", signal, info->si_code);
  siglongjmp(back, 1);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  page[0] = 1;
  struct sigaction a = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
  const int all[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) sigaction(all[i], &a, NULL);
  TRY("null write", *(volatile int*)0 = 1);
  TRY("null read", (void)*(volatile int*)16);
  TRY("null call", ((void (*)(void))0)());
  mprotect(page, 4096, PROT_READ);
  TRY("read-only write", ((volatile char*)page)[7] = 1);
  TRY("execute data", ((void (*)(void))(page + 16))());
  mprotect(page, 4096, PROT_NONE);
  TRY("no access", (void)((volatile char*)page)[9]);
  munmap(page, 4096);
  TRY("unmapped", (void)((volatile char*)page)[11]);
  TRY("non-canonical", (void)*(volatile int*)0x8000000000000000);
  TRY("divide", __asm__ volatile("xor %%edx, %%edx\nxor %%ecx, %%ecx\nmov $1, %%eax\ndiv %%ecx" ::
                                     : "eax", "ecx", "edx"));
  TRY("undefined", __asm__ volatile("ud2"));
  TRY("breakpoint", __asm__ volatile("int3"));
  TRY("halt", __asm__ volatile("hlt"));
  TRY("simd divide", unmask(4); volatile double z = 0; z = 1 / z);
  TRY("simd invalid", unmask(1); volatile double z = 0; z = z / z);
  TRY("x87 divide", unmask(4); volatile long double z = 0; z = 1 / z; __asm__ volatile("fwait"));
  unmask(0);
  TRY("single step",
      __asm__ volatile("pushf\norq $0x100, (%%rsp)\npopf\nnop\nnop\npushf\nandq $~0x100, (%%rsp)\npopf" ::
                           : "memory", "cc"));
  skipping();
  write_barrier();
  struct sigaction o = {.sa_sigaction = overflowed, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &o, NULL);
  overflow();
  return 0;
}
