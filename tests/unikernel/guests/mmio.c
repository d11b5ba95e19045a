// Guest-physical holes: mmio read|write|execute. User code has no page-table entry for a hole, so this needs
// CPL 0 first and is run against the test variant of the library with its CPL rules off. It must end as a
// named fault; running past the access is a breach, and a guest that cannot reach CPL 0 says so with
// status 3.
//
// At CPL 0 the unused TSS pages (guest-physical 0x4000 up, linear supervisor_page + 0x4000 up) are writable:
// they become page tables in which the page of the code that loads CR3 is a copy of our making, and the next
// one a hole.
#include "raw.h"

enum { pml4 = 0x4000, pdpt = 0x5000, pd = 0x6000, pt = 0x7000, code = 0x8000, present_writable = 3 };
static const u64 hole_physical = 0xf00000000;

static volatile u64* entry(u64 table, u64 index) {
  return (volatile u64*)(supervisor_page + table) + index;
}

extern char after_switch[];

static void build(const char* mode, u64 here) {
  u64 hole = (here & ~4095ull) + 4096;
  *entry(pml4, here >> 39 & 511) = pdpt | present_writable;
  *entry(pdpt, here >> 30 & 511) = pd | present_writable;
  *entry(pd, here >> 21 & 511) = pt | present_writable;
  *entry(pt, here >> 12 & 511) = code | present_writable;
  *entry(pt, hole >> 12 & 511) = hole_physical | present_writable;
  volatile unsigned char* p = (volatile unsigned char*)(supervisor_page + code + (here & 4095));
  u64 n = 0;
  if (same(mode, "read"))
    p[n++] = 0x8a, p[n++] = 0x04, p[n++] = 0x25;  // mov al, [hole]
  else if (same(mode, "write"))
    p[n++] = 0xc6, p[n++] = 0x04, p[n++] = 0x25;  // mov byte [hole], 0x41
  else
    p[n++] = 0x48, p[n++] = 0xc7, p[n++] = 0xc0;  // mov rax, hole
  for (int i = 0; i < 4; i++) p[n++] = (unsigned char)(hole >> (8 * i));
  if (same(mode, "write")) p[n++] = 0x41;
  if (same(mode, "execute")) p[n++] = 0xff, p[n++] = 0xe0;  // jmp rax
  // Past the access: exit_group(66) through the port.
  static const unsigned char past[] = {0xbf, 66, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0xe6, 0x10, 0xeb, 0xfe};
  for (u64 i = 0; i < sizeof past; i++) p[n++] = past[i];
}

int run(int argc, char** argv) {
  if (argc != 2) return bad_usage;
  __asm__ volatile("mov $39, %%eax\nmov $0x23, %%ecx\nmov %%ecx, %%ss\nsyscall" ::
                       : "rax", "rcx", "r11", "memory");
  if (privilege() != 0) {
    say("CPL 3\n");
    return 3;
  }
  say("CPL 0\n");
  build(argv[1], (u64)after_switch);
  __asm__ volatile("mov %0, %%cr3\nafter_switch: ud2" ::"r"((u64)pml4) : "memory");
  return breach;
}
