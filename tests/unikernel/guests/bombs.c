// Resource bombs: bombs NAME [ARGUMENT]. Each takes one resource until it is refused and prints how much it
// got.
#include "raw.h"

static void sleeper(void* unused) {
  (void)unused;
  for (;;) pause_ms(1000);
}

static int threads(const char* unused) {
  (void)unused;
  i64 count = 0, r = 0;
  for (; count < 5000; count++) {
    u64 stack = map_pages(0, 16384, prot_read | prot_write);
    if (is_error(stack) || (r = start_thread(sleeper, 0, stack + 16384)) < 0) break;
  }
  say_number("threads", count);
  say_number("error", r);
  return contained;
}

static int memory_touch(const char* unused) {
  (void)unused;
  for (i64 mib = 0; mib < 1 << 16; mib++) {
    u64 p = map_pages(0, 1 << 20, prot_read | prot_write);
    if (is_error(p)) {
      say_number("error", (i64)p);
      return contained;
    }
    for (u64 o = 0; o < 1 << 20; o += 4096) *(volatile char*)(p + o) = 1;
    if ((mib & 15) == 15) say_number("MiB", mib + 1);
  }
  return breach;
}

static int memory_brk(const char* unused) {
  (void)unused;
  u64 from = (u64)raw_1(__NR_brk, 0), end = from;
  for (;;) {
    u64 next = (u64)raw_1(__NR_brk, end + (1 << 20));
    if (next == end) break;
    for (u64 p = end; p < next; p += 4096) *(volatile char*)p = 1;
    end = next;
    if (end - from > (64ull << 30)) return breach;
  }
  say_number("brk MiB", (i64)((end - from) >> 20));
  return contained;
}

// Reserving costs nothing; more than the address space is refused; touching what was reserved counts.
static int memory_huge(const char* unused) {
  (void)unused;
  u64 big = (u64)raw_6(__NR_mmap, 0, 1ull << 45, 0, map_private | map_anonymous | map_noreserve, -1, 0);
  say(is_error(big) ? "reserve 32 TiB refused\n" : "reserve 32 TiB ok\n");
  u64 r = (u64)raw_6(__NR_mmap, 0, 1ull << 48, 0, map_private | map_anonymous | map_noreserve, -1, 0);
  if (!is_error(r)) return breach;
  r = (u64)raw_6(__NR_mmap, 0, ~0ull - 4095, 3, map_private | map_anonymous, -1, 0);
  if (!is_error(r)) return breach;
  u64 p = (u64)raw_6(__NR_mmap, 0, 1ull << 40, 3, map_private | map_anonymous | map_noreserve, -1, 0);
  if (is_error(p)) {
    say_number("error", (i64)p);
    return contained;
  }
  for (u64 o = 0; o < 1ull << 40; o += 1 << 21) *(volatile char*)(p + o) = 1;
  return breach;
}

// Page tables are memory as well: one page in each 2 MiB costs a table of its own.
static int page_tables(const char* unused) {
  (void)unused;
  u64 p = (u64)raw_6(__NR_mmap, 0, 1ull << 44, 0, map_private | map_anonymous | map_noreserve, -1, 0);
  if (is_error(p)) return bad_usage;
  i64 tables = 0;
  for (; tables < 16384; tables++) {
    u64 at = p + ((u64)tables << 30);
    if (raw_3(__NR_mprotect, at, 4096, prot_read | prot_write) < 0) break;
    *(volatile char*)at = 1;
    if ((tables & 255) == 255) say_number("tables", tables + 1);
  }
  if (tables < 16384) return contained;
  say("16384 tables\n");
  return contained;
}

static int mappings(const char* unused) {
  (void)unused;
  i64 count = 0;
  u64 r = 0;
  u64 base = (u64)raw_6(__NR_mmap, 0, 1ull << 32, 0, map_private | map_anonymous | map_noreserve, -1, 0);
  for (; count < 200000; count++) {
    r = (u64)raw_3(__NR_mprotect, base + 8192ull * (u64)count, 4096, prot_read);
    if (is_error(r)) break;
  }
  say_number("mappings", count);
  say_number("error", (i64)r);
  return count < 200000 ? contained : breach;
}

static int descriptors(const char* unused) {
  (void)unused;
  i64 count = 0, r = 0;
  for (; count < 100000; count++)
    if ((r = raw_2(__NR_eventfd2, 0, 0)) < 0) break;
  say_number("descriptors", count);
  say_number("error", r);
  return contained;
}

static int duplicates(const char* unused) {
  (void)unused;
  i64 count = 0, r = 0;
  for (; count < 100000; count++)
    if ((r = raw_1(__NR_dup, 1)) < 0) break;
  raw_2(__NR_dup2, 1, 100000);
  raw_2(__NR_dup2, 1, 0x7fffffff);
  say_number("descriptors", count);
  say_number("error", r);
  return contained;
}

static int pipes(const char* unused) {
  (void)unused;
  static char data[65536];
  i64 count = 0, bytes = 0, r = 0;
  for (; count < 50000; count++) {
    int fd[2];
    if ((r = raw_2(__NR_pipe2, fd, 04000)) < 0) break;
    for (i64 n; (n = raw_3(__NR_write, fd[1], data, sizeof data)) > 0;) bytes += n;
    raw_3(__NR_fcntl, fd[1], 1031 /* F_SETPIPE_SZ */, 1 << 20);
    for (i64 n; (n = raw_3(__NR_write, fd[1], data, sizeof data)) > 0;) bytes += n;
  }
  say_number("pipes", count);
  say_number("KiB", bytes >> 10);
  say_number("error", r);
  return contained;
}

static int memory_files(const char* unused) {
  (void)unused;
  static char data[65536];
  i64 fd = raw_2(__NR_memfd_create, "bomb", 0), bytes = 0, n = 0;
  if (fd < 0) {
    say_number("error", fd);
    return contained;
  }
  while (bytes < (16ll << 30) && (n = raw_3(__NR_write, fd, data, sizeof data)) > 0) bytes += n;
  say_number("MiB", bytes >> 20);
  say_number("error", n);
  return bytes < (16ll << 30) ? contained : breach;
}

// Segments that are attached, filled, left and never removed; more of them than there may be.
static int segments(const char* unused) {
  (void)unused;
  enum { size = 1 << 20 };
  i64 n = 0, r = 0;
  for (; n < 200; n++) {
    const i64 id = raw_3(__NR_shmget, 0, size, 0x3ff /* IPC_CREAT, 0777 */);
    if ((r = id) < 0) break;
    volatile char* at = (volatile char*)(r = raw_3(__NR_shmat, id, 0, 0));
    if (r < 0) break;
    for (u64 i = 0; i < size; i += 4096) at[i] = 1;
    if ((r = raw_1(__NR_shmdt, at)) < 0) break;
  }
  say_number("MiB", n);
  say_number("error", r);
  return n < 200 ? contained : breach;
}

static int disk(const char* path) {
  static char data[65536];
  i64 fd = raw_3(__NR_open, path, 0x242 /* RDWR CREAT TRUNC */, 0600), bytes = 0, n = 0;
  if (fd < 0) {
    say_number("open", fd);
    return bad_usage;
  }
  while (bytes < (4ll << 30) && (n = raw_3(__NR_write, fd, data, sizeof data)) > 0) bytes += n;
  say_number("bytes", bytes);
  say_number("error", n);
  // Other ways to grow a file.
  say_number("ftruncate", raw_2(__NR_ftruncate, fd, 1ll << 40));
  say_number("fallocate", raw_4(__NR_fallocate, fd, 0, 0, 1ll << 40));
  say_number("pwrite far", raw_4(__NR_pwrite64, fd, data, sizeof data, 1ll << 40));
  return bytes < (4ll << 30) ? contained : breach;
}

static int output(const char* unused) {  // more than any capture limit
  (void)unused;
  static char data[65536];
  for (size_t i = 0; i < sizeof data; i++) data[i] = 'x';
  for (i64 bytes = 0; bytes < 1ll << 34;) {
    i64 n = raw_3(__NR_write, 1, data, sizeof data);
    if (n <= 0) return bad_usage;
    bytes += n;
  }
  return breach;
}

static const struct {
  const char* name;
  int (*attack)(const char*);
} table[] = {
#define ROW(n) \
  { #n, n }
    ROW(threads),  ROW(memory_touch), ROW(memory_brk), ROW(memory_huge), ROW(page_tables),
    ROW(mappings), ROW(descriptors),  ROW(duplicates), ROW(pipes),       ROW(memory_files),
    ROW(segments), ROW(disk),         ROW(output),
};

int run(int argc, char** argv) {
  for (size_t i = 0; argc >= 2 && i < sizeof table / sizeof table[0]; i++)
    if (same(argv[1], table[i].name)) return table[i].attack(argv[2]);
  return bad_usage;
}
