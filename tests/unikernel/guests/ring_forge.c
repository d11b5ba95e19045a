// A program that writes its own call slot (lib/kvm/ring_stub.hpp; writable with stub B only): ring_forge.
// Forged calls are calls of the program like any other, so what counts is that the host stays whole: no call
// is served that must come out, nothing waits for ever, and true calls work afterwards.
#include "raw.h"

typedef struct {
  volatile u64 rax, rdi, rsi, rdx, r10, r8, r9, rcx, r11, result;
  volatile uint32_t pending, refused, enabled;
} slot_t;
static slot_t* const slot = (slot_t*)(0x7fffc0000000 + 288 * 4096);

enum { rounds = 20000 };
static volatile int over;
static char stack[32768];

// Calls in a row wake the poller.
static void warm_up(void) {
  for (int i = 0; i < 5000 && !(i > 1 && slot->enabled); i++) raw_0(__NR_getpid);
}

// Lays a call into the slot without SYSCALL; true when the host took it.
static int lay(u64 number, u64 a, u64 b, u64 c) {
  warm_up();
  slot->rax = number, slot->rdi = a, slot->rsi = b, slot->rdx = c, slot->r11 = 0x202;
  slot->pending = 1;
  for (int i = 0; i < 20000 && slot->pending; i++) __asm__ volatile("pause");
  if (!slot->pending) return 1;
  // Withdrawn; a call that comes out then waits for a poller that is looking at this one.
  slot->pending = 0;
  slot->enabled = 0;
  raw_0(__NR_getpid);
  return 0;
}

// Scribbles over the other thread's slot while that makes calls.
static void scribble(void* unused) {
  (void)unused;
  u64 x = 88172645463325252ull;
  while (!over) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    slot->rax = x % 340;
    ((volatile u64*)slot)[1 + x % 9] = x;
    slot->pending = (uint32_t)(x >> 40) & 1;
    slot->refused = (uint32_t)(x >> 41) & 1;
    slot->enabled = (uint32_t)(x >> 42) & 1;
  }
}

int run(int argc, char** argv) {
  if (argc > 1 && same(argv[1], "scribble")) {
    if (start_thread(scribble, 0, (u64)(stack + sizeof stack)) < 0) return bad_usage;
    // The other thread spoils results and return addresses: this one may well crash, or never end.
    for (int i = 0; i < rounds; i++) raw_0(__NR_getppid);
    return contained;
  }
  if (argc > 1 && same(argv[1], "exit")) {
    // Ends with that status as soon as one is served. It lies there before the poller is woken, so that a
    // poller on a busy machine finds it.
    for (int i = 0; i < 1000000; i++) {
      slot->rax = __NR_exit_group, slot->rdi = breach, slot->r11 = 0x202;
      slot->pending = 1;
      raw_0(__NR_getpid);
    }
    return contained;
  }
  int served = 0;
  for (int i = 0; i < 200 || (served == 0 && i < 100000); i++) {
    if (lay(__NR_getpid, 0, 0, 0) && !slot->refused && slot->result == 1000) served++;
    // Calls that change the thread, end it or wait must come out; nobody brought this one out.
    if (lay(__NR_exit_group, breach, 0, 0) && !slot->refused) return breach;
    if (lay(__NR_rt_sigreturn, 0, 0, 0) && !slot->refused) return breach;
    if (lay(__NR_clone, 0x50f00, (u64)(stack + sizeof stack), 0) && !slot->refused) return breach;
    if (lay(__NR_read, 0xffffffff, ~0ull, ~0ull) && !slot->refused && (i64)slot->result != -9) return breach;
    slot->refused = 0;
  }
  for (int i = 0; i < 1000; i++)
    if (raw_0(__NR_getpid) != 1000) return breach;
  say_number("served", served);
  return still_contained();
}
