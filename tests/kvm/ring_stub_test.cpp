// The stub that lays calls into shared memory, run as what it is: machine code. Stub B needs no privilege as
// long as its call is answered.
#include "kvm/ring_stub.hpp"

#include <osvm/core/mapping.hpp>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <new>
#include <thread>

namespace {

using namespace osvm::kvm;

struct stub_page {
  void* page = MAP_FAILED;
  ring_slot* slot = nullptr;
  ring_stub stub;

  explicit stub_page(syscall_stub kind) {
    page = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    auto* code = static_cast<std::byte*>(page);
    slot = new (code + 4096) ring_slot{};
    stub = make_ring_stub(kind, reinterpret_cast<std::uint64_t>(code), reinterpret_cast<std::uint64_t>(slot),
                          0x7fffffff);
    std::memcpy(code, stub.code.data(), stub.code.size());
    ::mprotect(page, 4096, PROT_READ | PROT_EXEC);
  }
  ~stub_page() { ::munmap(page, 8192); }
};

struct after {
  std::uint64_t rax, rcx, r11, flags_before, flags_after, return_address, rdx, rdi, rsi, r10, r8, r9;
};

// Enters the stub as SYSCALL would: RCX is the return address, R11 the flags.
after enter(const stub_page& s, std::uint64_t number) {
  after a{};
  register std::uint64_t r10 asm("r10") = 4;
  register std::uint64_t r8 asm("r8") = 5;
  register std::uint64_t r9 asm("r9") = 6;
  register std::uint64_t r11 asm("r11") = 0;
  std::uint64_t rax = number, rcx = 0, rdi = 1, rsi = 2, rdx = 3, before = 0, flags = 0, back = 0;
  asm volatile(
      "cmp $1, %%rax\n"  // some flags that must survive
      "pushfq\n pop %%r11\n mov %%r11, %[before]\n"
      "lea 1f(%%rip), %%rcx\n mov %%rcx, %[back]\n"
      "jmp *%[stub]\n"
      "1: pushfq\n pop %[flags]\n"
      : "+a"(rax), "=&c"(rcx), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9),
        "+r"(r11), [before] "=&r"(before), [flags] "=&r"(flags), [back] "=&r"(back)
      : [stub] "m"(s.stub.place.begin)
      : "memory", "cc");
  return {rax, rcx, r11, before, flags, back, rdx, rdi, rsi, r10, r8, r9};
}

TEST(ring_stub, an_answered_call_changes_rax_rcx_and_r11_only) {
  const stub_page s(syscall_stub::user);
  __atomic_store_n(&s.slot->enabled, 1U, __ATOMIC_RELEASE);
  std::atomic<bool> over{false};
  ring_slot seen{};
  std::thread host([&] {
    while (!over) {
      if (!__atomic_load_n(&s.slot->pending, __ATOMIC_ACQUIRE)) continue;
      seen = *s.slot;
      s.slot->result = seen.rax * 2;
      __atomic_store_n(&s.slot->pending, 0U, __ATOMIC_RELEASE);
    }
  });
  for (std::uint64_t number = 0; number < 1000; ++number) {
    const after a = enter(s, number);
    ASSERT_EQ(a.rax, number * 2);
    ASSERT_EQ(a.rcx, a.return_address);
    ASSERT_EQ(a.r11, a.flags_before);
    ASSERT_EQ(a.flags_after, a.flags_before);
    ASSERT_TRUE(a.rdi == 1 && a.rsi == 2 && a.rdx == 3 && a.r10 == 4 && a.r8 == 5 && a.r9 == 6);
    ASSERT_TRUE(seen.rdi == 1 && seen.rsi == 2 && seen.rdx == 3 && seen.r10 == 4 && seen.r8 == 5 &&
                seen.r9 == 6);
  }
  over = true;
  host.join();
}

TEST(ring_stub, the_two_kinds_differ_in_their_return_only) {
  const ring_stub user = make_ring_stub(syscall_stub::user, 0x10000, 0x20000, 400);
  const ring_stub supervisor = make_ring_stub(syscall_stub::supervisor, 0x10000, 0x20000, 400);
  const auto count = [](const ring_stub& s, std::initializer_list<unsigned char> what) {
    int n = 0;
    for (std::size_t i = 0; i + what.size() <= s.code.size(); ++i)
      n += std::memcmp(s.code.data() + i, what.begin(), what.size()) == 0;
    return n;
  };
  EXPECT_EQ(count(user, {0xff, 0xe1}), 3);        // jmp rcx
  EXPECT_EQ(count(user, {0x48, 0x0f, 0x07}), 0);  // sysretq
  EXPECT_EQ(count(supervisor, {0x48, 0x0f, 0x07}), 3);
  EXPECT_EQ(count(supervisor, {0xff, 0xe1}), 0);
  for (const ring_stub& s : {user, supervisor}) {
    EXPECT_EQ(count(s, {0xe6, 0x10}), 2);  // out 0x10, al
    EXPECT_LE(s.place.end - s.place.begin, s.code.size());
    EXPECT_TRUE(s.place.contains(s.place.after_out) && s.place.is_waiting(s.place.after_late));
    EXPECT_FALSE(s.place.is_waiting(s.place.after_out));
  }
}

}  // namespace
