// Pages that lose a right or their contents while a second thread keeps using them: stale NAME. The second
// thread must fault, or see the new page; going on with the old one for 300 ms is a breach.
#include "raw.h"

static volatile int ready, saw_new;
static volatile u64* page;
static char stack[65536] __attribute__((aligned(4096)));

__attribute__((noinline, section(".text.victim"), aligned(4096))) static u64 victim(void) {
  __asm__ volatile("");
  return 7;
}
__attribute__((noinline, section(".text.victim"), aligned(4096))) static void after_victim(void) {
  __asm__ volatile("");
}

static void reader(void* unused) {
  (void)unused;
  for (;;) {
    u64 v = *page;
    ready = 1;
    if (v != 0x1111) saw_new = 1;
  }
}
static void writer(void* unused) {
  (void)unused;
  for (;;) {
    *page = 0x2222;
    ready = 1;
  }
}
static void caller(void* unused) {
  (void)unused;
  for (;;) {
    (void)((u64(*volatile)(void))victim)();
    ready = 1;
  }
}

static void spin_up(void (*body)(void*)) {
  page = (volatile u64*)map_pages(0, 4096, prot_read | prot_write);
  page[0] = 0x1111;
  i64 t = start_thread(body, 0, (u64)(stack + sizeof stack));
  if (t < 0) {
    say_number("clone", t);
    quit(bad_usage);
  }
  while (!ready) {
  }
  say_hex("page", body == caller ? (u64)victim : (u64)page);
}

// The second thread must have faulted by then, which ends the guest.
static int no_fault(void) {
  pause_ms(300);
  say("no fault\n");
  return breach;
}
// The second thread must have seen the zeroed page.
static int must_see_new(void) {
  for (int i = 0; i < 30 && !saw_new; i++) pause_ms(10);
  if (saw_new) return contained;
  say("old page still seen\n");
  return breach;
}

static int unmap(void) {
  spin_up(reader);
  raw_2(__NR_munmap, page, 4096);
  return no_fault();
}
static int protect_none(void) {
  spin_up(reader);
  raw_3(__NR_mprotect, page, 4096, 0);
  return no_fault();
}
static int read_only(void) {
  spin_up(writer);
  raw_3(__NR_mprotect, page, 4096, prot_read);
  return no_fault();
}
static int remap_over(void) {
  spin_up(reader);
  if (map_pages((u64)page, 4096, prot_read | prot_write) != (u64)page) return bad_usage;
  return must_see_new();
}
static int moved_away(void) {
  spin_up(reader);
  if (is_error((u64)raw_6(__NR_mremap, page, 4096, 8192, 1 /* MAYMOVE */, 0, 0))) return bad_usage;
  // It may have grown in place: then the old address is still right.
  u64 other = (u64)raw_6(__NR_mmap, page, 4096, prot_read, map_private | map_anonymous | 0x100000, -1, 0);
  if (other != (u64)page) return contained;
  return must_see_new();
}
static int dont_need(void) {
  spin_up(reader);
  raw_3(__NR_madvise, page, 4096, 4);
  return must_see_new();
}
static int code_to_data(void) {
  spin_up(caller);
  (void)after_victim;
  i64 r = raw_3(__NR_mprotect, victim, 4096, prot_read | prot_write);
  if (r) say_number("mprotect", r);
  return no_fault();
}
static int read_only_then_reuse(
    void) {  // the freed frame of an unmapped page must not be seen through the old one
  spin_up(reader);
  raw_2(__NR_munmap, page, 4096);
  u64 other = map_pages(0x20000000000, 64 * 4096, prot_read | prot_write);
  for (int i = 0; i < 64; i++) ((volatile u64*)(other + 4096ull * (u64)i))[0] = 0x5ec4e7;
  return no_fault();
}

static const struct {
  const char* name;
  int (*attack)(void);
} table[] = {
#define ROW(n) \
  { #n, n }
    ROW(unmap),      ROW(protect_none), ROW(read_only),    ROW(remap_over),
    ROW(moved_away), ROW(dont_need),    ROW(code_to_data), ROW(read_only_then_reuse),
};

int run(int argc, char** argv) {
  for (size_t i = 0; argc == 2 && i < sizeof table / sizeof table[0]; i++)
    if (same(argv[1], table[i].name)) return table[i].attack();
  return bad_usage;
}
