// The pages that the CPU itself needs: GDT, IDT, TSS, exception stubs, the system-call stub and the page
// tables. They live in memory slots of their own; no page ever moves between them and guest user memory.
//
// Linear layout (4 KiB pages from `system_base`, at the top of the lower half, above user_end):
//   0        GDT and IDT                              supervisor, read-write
//   1        exception stubs: vector n is `out 0x80+n`  supervisor, executable
//   2        system-call stub: supervisor (A) or user (B); executable, not writable
//   3..10    TSS of 128 bytes each, 32 a page
//   16..271  one interrupt stack page (IST1) per vCPU
//   272..287 stubs of vCPUs whose calls may be answered without an exit (ring_stub.hpp), 256 bytes each
//   288..295 their slots of 128 bytes each: supervisor (A) or user (B), read-write
// Guest-physical: the same pages from 0, page tables behind them. A TSS carries an I/O bitmap that opens
// exactly one port to CPL 3; its limit ends right behind that port, so all others are closed.
#pragma once

#include "kvm/page_tables.hpp"
#include "kvm/ring_stub.hpp"
#include "kvm/vcpu.hpp"

#include <osvm/core/mapping.hpp>

#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace osvm::kvm {

inline constexpr std::uint64_t system_base = 0x7fff'c000'0000;
inline constexpr std::uint16_t syscall_port = 0x10;
inline constexpr std::uint16_t exception_port = 0x80;  // + vector; closed to CPL 3
inline constexpr unsigned max_vcpus = 256;

struct exception_frame {
  std::uint64_t error_code = 0, rip = 0, cs = 0, rflags = 0, rsp = 0, ss = 0;
};

// What the CPU pushed on an interrupt stack page. Guest memory: the values are hints from a possibly hostile
// guest and pass the register checks before they are used.
exception_frame read_frame(const std::byte* interrupt_stack, bool has_error_code) noexcept;

// Not thread-safe; the owner serialises calls.
class system_area final : public page_source {
 public:
  // Puts host memory at a guest-physical address (a memory slot). May be empty: no VM.
  using installer = std::function<result<void>(std::uint64_t guest_address, void* host, std::uint64_t size)>;

  system_area(installer install, syscall_stub stub) : install_(std::move(install)), stub_(stub) {}
  // Allocates and fills the area. `limit` bounds the bytes for page tables.
  result<void> start(std::uint64_t limit);
  // Maps the area (not the page tables) into `tables`.
  bool map_into(page_tables& tables);
  struct vcpu_area {
    cpu_setup setup;
    const std::byte* interrupt_stack = nullptr;  // one page; valid as long as the area
    stub_place stub;
    ring_slot* slot = nullptr;  // null: every call comes out
  };
  // Makes the TSS and the interrupt stack of vCPU `id` (< max_vcpus, each once). `ring_rounds` other than 0
  // gives it a slot and a stub that looks there so often.
  result<vcpu_area> prepare_vcpu(unsigned id, page_tables& tables, std::uint32_t ring_rounds = 0);

  static constexpr std::uint64_t stub_address() noexcept { return system_base + 2 * 4096; }

  std::optional<page> take() override;

 private:
  result<void> grow(std::uint64_t size);
  std::byte* at(std::uint64_t guest_address) const noexcept;
  std::byte* shared_page(unsigned number, std::uint64_t flags, page_tables& tables);
  bool add_ring(unsigned id, page_tables& tables, std::uint32_t rounds, vcpu_area& out);

  installer install_;
  syscall_stub stub_;
  std::vector<mapping> chunks_;  // chunk i begins at guest address chunk_base_[i]
  std::vector<std::uint64_t> chunk_base_;
  std::uint64_t next_ = 0, end_ = 0, limit_ = 0;
  std::map<unsigned, std::byte*> shared_pages_;  // of several vCPUs, by number: made when the first comes
};

}  // namespace osvm::kvm
