// Alternate stacks and the state that a handler starts with and gives back.
// exercises: sigaltstack rt_sigreturn
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <xmmintrin.h>

static char* area;
enum { area_size = 65536 };

static int on_area(void* p) {
  return (char*)p >= area && (char*)p < area + area_size;
}
static void show_stack(const char* when) {
  stack_t s;
  sigaltstack(NULL, &s);
  printf("%s: ours %d flags %d size %zu\n", when, s.ss_sp == area, s.ss_flags, s.ss_size);
}

static void handler(int signal, siginfo_t* info, void* context) {
  char local;
  ucontext_t* c = context;
  printf("handler %d on the alternate stack %d, in the frame: ours %d flags %d\n", signal, on_area(&local),
         c->uc_stack.ss_sp == area, c->uc_stack.ss_flags);
  show_stack("inside");
  stack_t other = {.ss_sp = area, .ss_size = area_size};
  printf("change inside %d\n", sigaltstack(&other, NULL) == 0 ? 0 : errno);
  printf("aligned %d info %d\n", ((uintptr_t)__builtin_frame_address(0) & 15) == 0, info->si_signo);
  if (signal == SIGUSR1) raise(SIGUSR2);
}

static void set_stack(size_t size, int flags) {
  stack_t s = {.ss_sp = area, .ss_size = size, .ss_flags = flags};
  const int r = sigaltstack(&s, NULL);
  printf("sigaltstack %zu %#x: %d\n", size, flags, r ? errno : 0);
}

static uint32_t mxcsr_inside;
static uint64_t clobber_count;
static void clobbers(int signal) {
  (void)signal;
  mxcsr_inside = _mm_getcsr();
  _mm_setcsr(0x1f80 | 0x6000);
  __asm__ volatile("pxor %%xmm0, %%xmm0\npxor %%xmm7, %%xmm7\nfninit\nfld1" ::: "xmm0", "xmm7");
  if (__builtin_cpu_supports("avx")) __asm__ volatile("vpxor %%xmm6, %%xmm6, %%xmm6\nvzeroall" ::: "xmm6");
  clobber_count++;
}

// Registers of every kind survive a handler that clobbers them.
static void extended_state(void) {
  struct sigaction a = {.sa_handler = clobbers};
  sigaction(SIGUSR1, &a, NULL);
  uint64_t low = 0, high = 0, upper[4] = {1, 2, 3, 4}, after[4] = {0};
  const int pid = getpid(), tid = gettid();
  _mm_setcsr(0x1f80 | 0x2000);
  const unsigned short rounding = 0x77f;
  unsigned short rounding_after = 0;
  long double x = 0;
  __asm__ volatile(
      "fldcw %[cw]\nfldpi\n"
      "movq %[pattern], %%xmm5\npunpcklqdq %%xmm5, %%xmm5\n"
      "mov %[pid], %%edi\nmov %[tid], %%esi\nmov $10, %%edx\nmov $234, %%eax\nsyscall\n"
      "movq %%xmm5, %[low]\npsrldq $8, %%xmm5\nmovq %%xmm5, %[high]\n"
      "fstpt %[x]\nfnstcw %[cw_after]\n"
      : [low] "=&r"(low), [high] "=&r"(high), [x] "=m"(x), [cw_after] "=m"(rounding_after)
      : [pattern] "r"(0x1122334455667788ull), [pid] "r"(pid), [tid] "r"(tid), [cw] "m"(rounding)
      : "rax", "rcx", "r11", "rdi", "rsi", "rdx", "xmm5", "memory");
  printf("xmm %lx %lx pi %.15Lf x87 %x mxcsr %x, in the handler %x\n", low, high, x, rounding_after,
         _mm_getcsr(), mxcsr_inside);
  if (__builtin_cpu_supports("avx2")) {
    __asm__ volatile(
        "vmovdqu %[in], %%ymm9\n"
        "mov %[pid], %%edi\nmov %[tid], %%esi\nmov $10, %%edx\nmov $234, %%eax\nsyscall\n"
        "vmovdqu %%ymm9, %[out]\nvzeroupper\n"
        : [out] "=m"(after)
        : [in] "m"(upper), [pid] "r"(pid), [tid] "r"(tid)
        : "rax", "rcx", "r11", "rdi", "rsi", "rdx", "xmm9", "memory");
  } else {
    memcpy(after, upper, sizeof after);
  }
  printf("ymm %lu %lu %lu %lu\n", after[0], after[1], after[2], after[3]);
  _mm_setcsr(0x1f80);
  __asm__ volatile("fninit");
}

static void changes(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)info;
  ucontext_t* c = context;
  c->uc_mcontext.gregs[REG_RBX] = 77;
  c->uc_mcontext.fpregs->_xmm[3].element[0] = 0x12345678;
  sigaddset(&c->uc_sigmask, SIGUSR2);
  const uint32_t* software = (const uint32_t*)((char*)c->uc_mcontext.fpregs + 464);
  printf("frame: flags %lx magic %x closing %x\n", c->uc_flags, software[0],
         *(const uint32_t*)((char*)c->uc_mcontext.fpregs + software[1] - 4));
}
// What a handler writes into its frame is what the program goes on with.
static void changed_frame(void) {
  struct sigaction a = {.sa_sigaction = changes, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &a, NULL);
  uint64_t rbx, xmm;
  const int pid = getpid(), tid = gettid();
  __asm__ volatile(
      "mov $5, %%ebx\npxor %%xmm3, %%xmm3\n"
      "mov %[pid], %%edi\nmov %[tid], %%esi\nmov $10, %%edx\nmov $234, %%eax\nsyscall\n"
      "mov %%rbx, %[rbx]\nmovq %%xmm3, %[xmm]\n"
      : [rbx] "=&r"(rbx), [xmm] "=&r"(xmm)
      : [pid] "r"(pid), [tid] "r"(tid)
      : "rax", "rbx", "rcx", "r11", "rdi", "rsi", "rdx", "xmm3", "memory");
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  printf("rbx %lu xmm %lx USR2 blocked %d\n", rbx, xmm, sigismember(&now, SIGUSR2));
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  area = mmap(NULL, area_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGUSR1, &a, NULL);
  sigaction(SIGUSR2, &a, NULL);
  show_stack("at first");
  set_stack(100, 0);
  set_stack(area_size, 0x40);
  raise(SIGUSR2);
  set_stack(area_size, 0);
  show_stack("set");
  raise(SIGUSR1);
  show_stack("after");
  set_stack(area_size, (int)(1u << 31));  // SS_AUTODISARM
  show_stack("set");
  raise(SIGUSR2);
  show_stack("after");
  set_stack(0, SS_DISABLE);
  show_stack("disabled");
  raise(SIGUSR2);
  extended_state();
  changed_frame();
  return 0;
}
