// W^X: each way to make memory executable that is or was writable. Prints which one worked: a breach.
#include "raw.h"

static char data_page[8192] __attribute__((aligned(4096))) = {1};

int run(int argc, char** argv) {
  (void)argc;
  (void)argv;
  int broken = 0;
#define TRY(what, ok) \
  if (ok) say("executable: " what "\n"), broken = 1
  TRY("mmap RWX", !is_error(map_pages(0, 4096, 7)));
  TRY("mmap RX, anonymous, never written", 0);
  u64 p = map_pages(0, 8192, prot_read | prot_write);
  *(volatile char*)p = (char)0xc3;
  TRY("mprotect RW -> RX", raw_3(__NR_mprotect, p, 4096, prot_read | prot_exec) == 0);
  TRY("mprotect RW -> RWX", raw_3(__NR_mprotect, p, 4096, 7) == 0);
  raw_3(__NR_mprotect, p, 8192, prot_read);
  TRY("mprotect RW -> R -> RX", raw_3(__NR_mprotect, p, 4096, prot_read | prot_exec) == 0);
  raw_3(__NR_mprotect, p, 8192, 0);
  TRY("mprotect RW -> none -> X", raw_3(__NR_mprotect, p, 4096, prot_exec) == 0);
  u64 q = (u64)raw_6(__NR_mremap, p, 4096, 4096, 3, p + 4096, 0);
  if (!is_error(q)) TRY("mremap, then RX", raw_3(__NR_mprotect, q, 4096, prot_read | prot_exec) == 0);
  TRY("data segment -> RX", raw_3(__NR_mprotect, data_page, 4096, prot_read | prot_exec) == 0);
  u64 brk = (u64)raw_1(__NR_brk, 0);
  raw_1(__NR_brk, brk + 8192);
  TRY("brk -> RX", raw_3(__NR_mprotect, (brk + 4095) & ~4095ull, 4096, prot_read | prot_exec) == 0);
  // Code that becomes writable must not become code again.
  u64 text = (u64)&run & ~4095ull;
  if (raw_3(__NR_mprotect, text + 0x100000, 4096, prot_read | prot_write) == 0)
    TRY("text -> RW -> RX", raw_3(__NR_mprotect, text + 0x100000, 4096, prot_read | prot_exec) == 0);
  u64 none = map_pages(0, 4096, 0);
  if (raw_3(__NR_mprotect, none, 4096, prot_read | prot_write) == 0) {
    *(volatile char*)none = (char)0xc3;
    TRY("none -> RW -> RX", raw_3(__NR_mprotect, none, 4096, prot_read | prot_exec) == 0);
  }
  if (!broken) say("no way\n");
  return broken ? breach : contained;
}
