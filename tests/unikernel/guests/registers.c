// Register games at a system call: registers NAME. Whatever a guest loads before SYSCALL, it must come back
// to CPL 3, or be ended with a name; never at CPL 0 with the supervisor's pages in reach.
#include "raw.h"

// `prepare` runs, then getpid, then the result; clobbers what a system call may.
// SYSCALL follows `prepare` at once: some states last for one instruction only.
#define AROUND_SYSCALL(prepare, restore)                                          \
  ({                                                                              \
    i64 result_;                                                                  \
    __asm__ volatile("mov $39, %%eax\n" prepare "syscall\n" restore               \
                     : "=a"(result_)                                              \
                     :                                                            \
                     : "rcx", "r11", "rdx", "rbx", "r12", "r13", "memory", "cc"); \
    result_;                                                                      \
  })

// With CPL 0 a guest could read the descriptor tables; without it this faults. Reaching the end is the
// breach.
static int try_supervisor(void) {
  if (privilege() == 3) return contained;
  u64 first = ((volatile u64*)supervisor_page)[1];
  say_hex("descriptor table read at CPL 0:", first);
  ((volatile u64*)supervisor_page)[31] = 0x4141;
  return breach;
}

static int stack_segment(void) {
  // The emulator that takes the load goes on with the next instruction.
  (void)AROUND_SYSCALL("mov $0x23, %%ecx\nmov %%ecx, %%ss\n", "");
  return try_supervisor();
}
static int data_segments(void) {
  (void)AROUND_SYSCALL(
      "xor %%ecx, %%ecx\nmov %%ecx, %%ds\nmov %%ecx, %%es\nmov $0x23, %%ecx\nmov %%ecx, %%ds\nmov %%ecx, "
      "%%es\n",
      "");
  return try_supervisor();
}
static int stack_pointer_non_canonical(void) {
  (void)AROUND_SYSCALL("mov %%rsp, %%rbx\nmov $0x800000000000, %%rsp\n", "mov %%rbx, %%rsp\n");
  return try_supervisor();
}
static int stack_pointer_kernel(void) {
  (void)AROUND_SYSCALL("mov %%rsp, %%rbx\nmov $0xffff800000000000, %%rsp\n", "mov %%rbx, %%rsp\n");
  return try_supervisor();
}
static int stack_pointer_supervisor(void) {
  (void)AROUND_SYSCALL("mov %%rsp, %%rbx\nmov $0x7fffc0000800, %%rsp\n", "mov %%rbx, %%rsp\n");
  return try_supervisor();
}
static int stack_pointer_zero(void) {
  (void)AROUND_SYSCALL("mov %%rsp, %%rbx\nxor %%esp, %%esp\n", "mov %%rbx, %%rsp\n");
  return try_supervisor();
}
#define FLAGS(name, bits)                                            \
  static int name(void) {                                            \
    (void)AROUND_SYSCALL("pushf\norq $" #bits ", (%%rsp)\npopf\n",   \
                         "pushf\nandq $~0x244500, (%%rsp)\npopf\n"); \
    return try_supervisor();                                         \
  }
FLAGS(flag_nested_task, 0x4000)
FLAGS(flag_io_privilege, 0x3000)
FLAGS(flag_direction, 0x400)
FLAGS(flag_alignment, 0x40000)
FLAGS(flag_identification, 0x200000)

// TF is set by popf and traps after the next instruction unless that is the SYSCALL itself.
static int flag_trap_at_syscall(void) {
  __asm__ volatile(
      "mov $39, %%eax\npushf\norq $0x100, (%%rsp)\npopf\nsyscall\npushf\nandq $~0x100, (%%rsp)\npopf\n" ::
          : "rax", "rcx", "r11", "memory");
  return try_supervisor();
}

static int base_by_arch_prctl(void) {
  static const u64 wrong[] = {0x800000000000, 0xffff800000000000, 0xdeadbeefdeadbeef, ~0ull,
                              0x7fffffffffff + 1};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    if (raw_2(__NR_arch_prctl, 0x1002, wrong[i]) == 0) say_hex("FS base accepted:", wrong[i]);
    if (try_supervisor()) return breach;
    if (raw_2(__NR_arch_prctl, 0x1001, wrong[i]) == 0) say_hex("GS base accepted:", wrong[i]);
    if (try_supervisor()) return breach;
  }
  return contained;
}

// WRFSBASE and WRGSBASE with CR4.FSGSBASE: a non-canonical value is #GP, so this never returns where they
// exist.
static int base_by_instruction(void) {
  __asm__ volatile("wrfsbase %0" ::"r"(0xdeadbeefdeadbeef));
  raw_0(__NR_getpid);
  return try_supervisor();
}
static int gs_base_by_instruction(void) {
  __asm__ volatile("wrgsbase %0" ::"r"(0x800000000000));
  raw_0(__NR_getpid);
  return try_supervisor();
}

// clone with a thread pointer that no CPU can load.
static void idle(void* unused) {
  (void)unused;
}
static int base_by_clone(void) {
  u64 stack = map_pages(0, 65536, prot_read | prot_write);
  i64 r = raw_6(__NR_clone, 0xd0f00 /* as a thread, SETTLS */, stack + 65536, 0, 0, 0xdeadbeefdeadbeef, 0);
  if (r == 0) {  // the new thread: getting here means that it was started
    raw_0(__NR_getpid);
    raw_1(__NR_exit, 0);
  }
  say_number("clone", r);
  (void)idle;
  pause_ms(50);
  return try_supervisor();
}

// rt_sigreturn takes a whole register file from the stack.
struct frame {
  u64 flags, link, stack[3];
  u64 r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
  unsigned short cs, gs, fs, ss;
  u64 error, trap, old_mask, cr2, fp, reserved[8], mask;
};
static char small_stack[8192] __attribute__((aligned(16)));

static void landed(void) {
  quit(try_supervisor());
}

static int sigreturn(u64 rip, u64 eflags, unsigned short cs, u64 fp) {
  static struct frame f __attribute__((aligned(64)));
  f.rip = rip;
  f.rsp = (u64)(small_stack + sizeof small_stack - 8);
  f.eflags = eflags;
  f.cs = cs;
  f.ss = cs == 0x33 ? 0x2b : 0x10;
  f.fp = fp;
  __asm__ volatile("mov %0, %%rsp\nmov $15, %%eax\nsyscall" ::"r"(&f) : "rax", "memory");
  __builtin_unreachable();
}
static int sigreturn_to_kernel_half(void) {
  return sigreturn(0xffff800000000000, 0x202, 0x33, 0);
}
static int sigreturn_non_canonical(void) {
  return sigreturn(0x800000000000, 0x202, 0x33, 0);
}
static int sigreturn_kernel_segment(void) {
  return sigreturn((u64)landed, 0x202, 0x08, 0);
}
static int sigreturn_flags(void) {
  return sigreturn((u64)landed, 0x37202, 0x33, 0);
}
// The same, and tells which flags it got.
static void landed_with_flags(void) {
  u64 flags;
  __asm__ volatile("pushf\npop %0" : "=r"(flags));
  say_hex("flags", flags);
  quit(contained);
}
static int sigreturn_shows_flags(void) {
  return sigreturn((u64)landed_with_flags, 0x7202, 0x33, 0);  // NT, IOPL 3, IF
}
static int sigreturn_all_flags(void) {
  return sigreturn((u64)landed, ~0x100ull, 0x33, 0);
}
static int sigreturn_wild_fp(void) {
  return sigreturn((u64)landed, 0x202, 0x33, 0xffff800000000040);
}
static int sigreturn_broken_fp(void) {
  static unsigned char area[4096] __attribute__((aligned(64)));
  for (size_t i = 0; i < sizeof area; i++) area[i] = 0xff;  // MXCSR, XSAVE header, everything
  return sigreturn((u64)landed, 0x202, 0x33, (u64)area);
}
static int sigreturn_wild_stack(void) {
  __asm__ volatile("mov $0xffff800000000000, %%rsp\nmov $15, %%eax\nsyscall" ::: "rax", "memory");
  __builtin_unreachable();
}

// A SYSCALL whose successor is not canonical: the last two bytes of user space must not be mappable.
static int last_bytes(void) {
  for (u64 at = 0x7ffffffff000; at >= user_top; at -= 0x10000000) {
    u64 r = map_pages(at, 4096, prot_read | prot_write);
    if (is_error(r)) continue;
    say_hex("mapped above user space:", r);
    return breach;
  }
  u64 highest = map_pages(user_top - 4096, 4096, prot_read | prot_write);
  if (!is_error(highest)) say_hex("highest page", highest);
  return contained;
}

// Calling the stub as a subroutine, with RCX pointing wherever the guest likes.
static int stub_call(void) {
  __asm__ volatile(
      "mov $39, %%eax\nmov $0xffff800000000000, %%rcx\nmov $0x37fff, %%r11d\njmp *%0" ::"r"(stub_page)
      : "rax", "rcx", "r11", "memory");
  __builtin_unreachable();
}
static int stub_call_back(void) {
  __asm__ volatile("mov $39, %%eax\nlea 1f(%%rip), %%rcx\nmov $0x202, %%r11d\njmp *%0\n1:" ::"r"(stub_page)
                   : "rax", "rcx", "r11", "memory");
  return try_supervisor();
}
static int stub_middle(void) {
  __asm__ volatile("lea 1f(%%rip), %%rcx\nmov $0x202, %%r11d\njmp *%0\n1:" ::"r"(stub_page + 2)
                   : "rax", "rcx", "r11", "memory");
  return try_supervisor();
}

static const struct {
  const char* name;
  int (*attack)(void);
} table[] = {
#define ROW(n) \
  { #n, n }
    ROW(stack_segment),
    ROW(data_segments),
    ROW(stack_pointer_non_canonical),
    ROW(stack_pointer_kernel),
    ROW(stack_pointer_supervisor),
    ROW(stack_pointer_zero),
    ROW(flag_nested_task),
    ROW(flag_io_privilege),
    ROW(flag_direction),
    ROW(flag_alignment),
    ROW(flag_identification),
    ROW(flag_trap_at_syscall),
    ROW(base_by_arch_prctl),
    ROW(base_by_instruction),
    ROW(gs_base_by_instruction),
    ROW(base_by_clone),
    ROW(sigreturn_to_kernel_half),
    ROW(sigreturn_non_canonical),
    ROW(sigreturn_kernel_segment),
    ROW(sigreturn_flags),
    ROW(sigreturn_shows_flags),
    ROW(sigreturn_all_flags),
    ROW(sigreturn_wild_fp),
    ROW(sigreturn_broken_fp),
    ROW(sigreturn_wild_stack),
    ROW(last_bytes),
    ROW(stub_call),
    ROW(stub_call_back),
    ROW(stub_middle),
};

int run(int argc, char** argv) {
  for (size_t i = 0; argc == 2 && i < sizeof table / sizeof table[0]; i++)
    if (same(argv[1], table[i].name)) return table[i].attack();
  return bad_usage;
}
