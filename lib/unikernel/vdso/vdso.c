/* The guest's vDSO: clocks without leaving the VM. Runs inside guests; compiled apart, without libc.
   The clock page lies one page below the ELF header. Clocks that it does not know become system calls. */
#include "clock_page.hpp"

struct timespec64 {
  int64_t sec, nsec;
};
struct timeval64 {
  int64_t sec, usec;
};

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static inline const volatile struct clock_page* page(void) {
  const char* base = __ehdr_start;
  __asm__("" : "+r"(base)); /* the page lies outside the object that the compiler knows */
  return (const volatile struct clock_page*)(base - 4096);
}

static inline uint64_t read_tsc(void) {
  uint32_t lo, hi;
  __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi)::"memory");
  return ((uint64_t)hi << 32) | lo;
}

static inline long call2(long number, long a, long b) {
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
  return r;
}

enum { realtime = 0, monotonic = 1, realtime_coarse = 5, monotonic_coarse = 6, boottime = 7 };

static inline uint64_t now(int wall) {
  const volatile struct clock_page* p = page();
  uint32_t before;
  uint64_t ns;
  do {
    before = __atomic_load_n(&p->sequence, __ATOMIC_ACQUIRE);
    const uint64_t tsc = read_tsc();
    /* Signed: a CPU whose counter reads a little behind the base must not see 2^64 ticks. */
    const int64_t delta = (int64_t)(tsc - p->base_tsc);
    const uint64_t passed =
        delta > 0 ? (uint64_t)(((unsigned __int128)(uint64_t)delta * p->mult) >> p->shift) : 0;
    ns = (wall ? p->realtime_ns : p->monotonic_ns) + passed;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
  } while ((before & 1) || before != p->sequence);
  return ns;
}

__attribute__((visibility("default"))) int __vdso_clock_gettime(int clock, struct timespec64* ts) {
  int wall;
  if (clock == realtime || clock == realtime_coarse) {
    wall = 1;
  } else if (clock == monotonic || clock == monotonic_coarse) {
    wall = 0;
  } else {
    return (int)call2(228, clock, (long)ts);
  }
  const uint64_t ns = now(wall);
  ts->sec = (int64_t)(ns / 1000000000u);
  ts->nsec = (int64_t)(ns % 1000000000u);
  return 0;
}

__attribute__((visibility("default"))) int __vdso_gettimeofday(struct timeval64* tv, void* zone) {
  if (zone) return (int)call2(96, (long)tv, (long)zone);
  if (tv) {
    const uint64_t ns = now(1);
    tv->sec = (int64_t)(ns / 1000000000u);
    tv->usec = (int64_t)(ns % 1000000000u / 1000);
  }
  return 0;
}

__attribute__((visibility("default"))) int64_t __vdso_time(int64_t* out) {
  const int64_t seconds = (int64_t)(now(1) / 1000000000u);
  if (out) *out = seconds;
  return seconds;
}

__attribute__((visibility("default"))) int __vdso_clock_getres(int clock, struct timespec64* ts) {
  return (int)call2(229, clock, (long)ts);
}
