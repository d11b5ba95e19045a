// One processor exception (or an attempt to use a privileged instruction) per run: cpu_faults NAME. Each must
// end the guest with the named fault; coming back from one is a breach.
#include "raw.h"

static volatile u64 sink;
static char data_page[4096] __attribute__((aligned(4096))) = {(char)0xc3};

static void null_read(void) {
  sink = *(volatile u64*)8;
}
static void null_write(void) {
  *(volatile u64*)8 = 1;
}
static void null_call(void) {
  ((void (*)(void))0)();
}
static void kernel_read(void) {
  sink = *(volatile u64*)0xffffffff81000000;
}
static void supervisor_read(void) {
  sink = *(volatile u64*)supervisor_page;
}
static void supervisor_write(void) {
  *(volatile u64*)supervisor_page = 0;
}
static void stub_write(void) {
  *(volatile u64*)stub_page = 0;
}
static void exception_stub_call(void) {
  ((void (*)(void))(supervisor_page + 4096))();
}
static void non_canonical(void) {
  sink = *(volatile u64*)0x800000000000;
}
static void write_code(void) {
  *(volatile char*)(u64)&null_read = 0;
}
static void run_data(void) {
  ((void (*)(void))(u64)data_page)();
}
static void run_stack(void) {
  volatile char code[16] = {(char)0xc3};
  ((void (*)(void))(u64)code)();
}
static void run_heap(void) {
  u64 p = map_pages(0, 4096, prot_read | prot_write);
  *(volatile char*)p = (char)0xc3;
  ((void (*)(void))p)();
}
static volatile int forever = 1;
static void __attribute__((noinline)) recurse(volatile u64* p) {
  volatile u64 frame[512];
  frame[0] = *p;
  if (forever) recurse(frame);
  sink = frame[0];
}
static void stack_overflow(void) {
  volatile u64 x = 1;
  recurse(&x);
}
static void divide(void) {
  __asm__ volatile("xor %%ecx, %%ecx\nxor %%edx, %%edx\ndiv %%ecx" ::: "rax", "rcx", "rdx");
}
static void undefined(void) {
  __asm__ volatile("ud2");
}
static void breakpoint(void) {
  __asm__ volatile("int3");
}
static void halt(void) {
  __asm__ volatile("hlt");
}
static void interrupt_80(void) {
  __asm__ volatile("int $0x80" ::"a"(1), "b"(66));
}
static void interrupt_14(void) {
  __asm__ volatile("int $14");
}
static void interrupt_13(void) {
  __asm__ volatile("int $13");
}
static void interrupt_8(void) {
  __asm__ volatile("int $8");
}
static void interrupt_2(void) {
  __asm__ volatile("int $2");
}
static void sysenter(void) {
  __asm__ volatile("sysenter");
}
static void vmcall(void) {
  i64 answer = 0;  // hypercall 0
  __asm__ volatile("vmcall" : "+a"(answer) : "b"(0), "c"(0), "d"(0), "S"(0) : "memory");
  say_number("answer", answer);
}
static void vmmcall(void) {
  i64 answer = 0;  // hypercall 0
  __asm__ volatile("vmmcall" : "+a"(answer) : "b"(0), "c"(0), "d"(0), "S"(0) : "memory");
  say_number("answer", answer);
}
static void disable_interrupts(void) {
  __asm__ volatile("cli");
}
static void read_msr(void) {
  __asm__ volatile("rdmsr" ::"c"(0xc0000082) : "rax", "rdx");
}
static void write_msr(void) {
  __asm__ volatile("wrmsr" ::"c"(0xc0000082), "a"(0), "d"(0));
}
static void read_cr0(void) {
  __asm__ volatile("mov %%cr0, %%rax" ::: "rax");
}
static void write_cr3(void) {
  __asm__ volatile("mov %0, %%cr3" ::"r"(0ul));
}
static void read_dr(void) {
  __asm__ volatile("mov %%dr7, %%rax" ::: "rax");
}
static void swap_gs(void) {
  __asm__ volatile("swapgs");
}
static void load_gdt(void) {
  char d[10] = {0};
  __asm__ volatile("lgdt %0" ::"m"(d));
}
static void load_tr(void) {
  __asm__ volatile("ltr %w0" ::"r"(0x30));
}
static void return_to_kernel(void) {
  __asm__ volatile("push $0x10\npush %%rsp\npushf\npush $0x08\nlea 1f(%%rip), %%rax\npush %%rax\niretq\n1:" ::
                       : "rax");
}
static void far_kernel(void) {
  __asm__ volatile("push $0x08\nlea 1f(%%rip), %%rax\npush %%rax\nlretq\n1:" ::: "rax");
}
static void sysret(void) {
  __asm__ volatile("sysretq");
}
static void load_kernel_ss(void) {
  __asm__ volatile("mov %w0, %%ss" ::"r"(0x10));
}
static void unmasked_simd(void) {
  unsigned csr = 0x1f80 & ~0x200u;  // divide by zero unmasked
  __asm__ volatile(
      "ldmxcsr %0\nxorps %%xmm0, %%xmm0\nmov $0x3f800000, %%eax\nmovd %%eax, %%xmm1\ndivss %%xmm0, %%xmm1" ::
          "m"(csr)
      : "rax", "xmm0", "xmm1");
}
static void unmasked_x87(void) {
  unsigned short cw = 0x37f & ~4;
  __asm__ volatile("fldcw %0\nfldz\nfld1\nfdivp\nfwait" ::"m"(cw));
}
static void bad_mxcsr(void) {
  unsigned csr = 0xffffffff;
  __asm__ volatile("ldmxcsr %0" ::"m"(csr));
}
static void unaligned(void) {  // AC is honoured at CPL 3 when CR0.AM is set
  __asm__ volatile(
      "pushf\norl $0x40000, (%%rsp)\npopf\nsub $32, %%rsp\nmov 1(%%rsp), %%rax\nadd $32, %%rsp" ::
          : "rax");
}
static void single_step(void) {
  __asm__ volatile("pushf\norl $0x100, (%%rsp)\npopf\nnop\nnop" ::: "memory", "cc");
}
static void monitor(void) {
  __asm__ volatile("monitor" ::"a"(&sink), "c"(0), "d"(0));
}
static void invalid_xsetbv(void) {
  __asm__ volatile("xsetbv" ::"a"(3), "d"(0), "c"(0));
}
static void invlpg(void) {
  __asm__ volatile("invlpg %0" ::"m"(sink));
}

static const struct {
  const char* name;
  void (*attack)(void);
} table[] = {
#define ROW(n) \
  { #n, n }
    ROW(null_read),
    ROW(null_write),
    ROW(null_call),
    ROW(kernel_read),
    ROW(supervisor_read),
    ROW(supervisor_write),
    ROW(stub_write),
    ROW(exception_stub_call),
    ROW(non_canonical),
    ROW(write_code),
    ROW(run_data),
    ROW(run_stack),
    ROW(run_heap),
    ROW(stack_overflow),
    ROW(divide),
    ROW(undefined),
    ROW(breakpoint),
    ROW(halt),
    ROW(interrupt_80),
    ROW(interrupt_14),
    ROW(interrupt_13),
    ROW(interrupt_8),
    ROW(interrupt_2),
    ROW(sysenter),
    ROW(vmcall),
    ROW(vmmcall),
    ROW(disable_interrupts),
    ROW(read_msr),
    ROW(write_msr),
    ROW(read_cr0),
    ROW(write_cr3),
    ROW(read_dr),
    ROW(swap_gs),
    ROW(load_gdt),
    ROW(load_tr),
    ROW(return_to_kernel),
    ROW(far_kernel),
    ROW(sysret),
    ROW(load_kernel_ss),
    ROW(unmasked_simd),
    ROW(unmasked_x87),
    ROW(bad_mxcsr),
    ROW(unaligned),
    ROW(single_step),
    ROW(monitor),
    ROW(invalid_xsetbv),
    ROW(invlpg),
};

int run(int argc, char** argv) {
  for (size_t i = 0; argc == 2 && i < sizeof table / sizeof table[0]; i++)
    if (same(argv[1], table[i].name)) {
      say_hex("data_page", (u64)data_page);
      table[i].attack();
      say("came back\n");
      return breach;
    }
  return bad_usage;
}
