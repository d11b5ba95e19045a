#include "kvm/system_area.hpp"

#include <sys/mman.h>

#include <cstring>
#include <new>

namespace osvm::kvm {
namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr unsigned gdt_page = 0, stubs_page = 1, syscall_page = 2, tss_page = 3, ist_page = 16;
constexpr unsigned ring_code_page = ist_page + max_vcpus, ring_code_bytes = 256, ring_codes = 16;  // a page
constexpr unsigned ring_slot_page = ring_code_page + max_vcpus / ring_codes, ring_slots = 32;      // a page
constexpr unsigned fixed_pages = 16;  // before the first interrupt stack
constexpr std::uint64_t first_chunk = 64 * page_bytes;
constexpr unsigned idt_offset = 0x100, vectors = 32, tss_bytes = 128, tss_per_page = page_bytes / tss_bytes;
// The I/O bitmap follows the 104-byte TSS: bytes 0..2 cover ports 0..23, then the terminating 0xff byte.
constexpr unsigned tss_bitmap = 104, tss_limit = tss_bitmap + 3;
static_assert(syscall_port / 8 == 2);

void put_gdt(std::byte* page) {
  const std::uint64_t gdt[8] = {0,
                                0x00af9b000000ffff,  // 0x08 code, CPL 0
                                0x00cf93000000ffff,  // 0x10 data, CPL 0
                                0,
                                0x00cff3000000ffff,  // 0x20 data, CPL 3
                                0x00affb000000ffff,  // 0x28 code, CPL 3
                                0,
                                0};  // 0x30 TSS: loaded by the VMM, never by LTR
  std::memcpy(page, gdt, sizeof gdt);
}

// Every gate runs on IST1, at CPL 0. Only #BP may be raised by an INT instruction at CPL 3; an INT n to any
// other gate is a general protection fault.
void put_idt(std::byte* idt) {
  for (unsigned v = 0; v < vectors; ++v) {
    const std::uint64_t target = system_base + stubs_page * page_bytes + v * 16ULL;
    std::byte* gate = idt + v * 16ULL;
    const auto low = static_cast<std::uint16_t>(target);
    const std::uint16_t selector = selector::kernel_code;
    const auto mid = static_cast<std::uint16_t>(target >> 16);
    const auto high = static_cast<std::uint32_t>(target >> 32);
    const std::uint8_t ist = 1;
    const std::uint8_t type = v == 3 ? 0xee : 0x8e;
    std::memcpy(gate, &low, 2);
    std::memcpy(gate + 2, &selector, 2);
    std::memcpy(gate + 4, &ist, 1);
    std::memcpy(gate + 5, &type, 1);
    std::memcpy(gate + 6, &mid, 2);
    std::memcpy(gate + 8, &high, 4);
  }
}

// out 0x80+v, al; hlt. The VMM resumes the guest itself, so nothing follows but a stop for a forged return.
void put_exception_stubs(std::byte* page) {
  for (unsigned v = 0; v < vectors; ++v) {
    const std::uint8_t code[3] = {0xe6, static_cast<std::uint8_t>(exception_port + v), 0xf4};
    std::memcpy(page + v * 16ULL, code, sizeof code);
  }
}

// The stub touches no memory and uses no stack. A: out 0x10, al; sysretq. B: out 0x10, al; jmp rcx (the VMM
// sets RIP itself; the jump is only reached when it did not).
void put_syscall_stub(std::byte* page, syscall_stub kind) {
  const std::uint8_t a[] = {0xe6, syscall_port, 0x48, 0x0f, 0x07};
  const std::uint8_t b[] = {0xe6, syscall_port, 0xff, 0xe1};
  if (kind == syscall_stub::supervisor) {
    std::memcpy(page, a, sizeof a);
  } else {
    std::memcpy(page, b, sizeof b);
  }
}

}  // namespace

result<void> system_area::grow(std::uint64_t size) {
  if (end_ + size > limit_) return error(osvm::errc::limit_exceeded, "page tables exceed the memory budget");
  auto memory = mapping::anonymous(size);
  if (!memory) return memory.error();
  if (install_) {
    if (auto ok = install_(end_, memory->data(), size); !ok) return ok;
  }
  chunk_base_.push_back(end_);
  chunks_.push_back(std::move(*memory));
  end_ += size;
  return {};
}

result<void> system_area::start(std::uint64_t limit) {
  limit_ = std::max(limit, first_chunk);
  if (auto ok = grow(first_chunk); !ok) return ok;
  // These pages are certainly needed: one call instead of a fault each.
  (void)::madvise(chunks_[0].data(), 4 * page_bytes, MADV_POPULATE_WRITE);
  (void)::madvise(chunks_[0].data() + fixed_pages * page_bytes, 12 * page_bytes, MADV_POPULATE_WRITE);
  next_ = fixed_pages * page_bytes;
  put_gdt(at(gdt_page * page_bytes));
  put_idt(at(gdt_page * page_bytes) + idt_offset);
  put_exception_stubs(at(stubs_page * page_bytes));
  put_syscall_stub(at(syscall_page * page_bytes), stub_);
  return {};
}

bool system_area::map_into(page_tables& tables) {
  const auto map = [&](unsigned number, std::uint64_t flags) {
    return tables.set(system_base + number * page_bytes,
                      number * page_bytes | flags | pte::present | pte::backed);
  };
  const std::uint64_t stub_flags = stub_ == syscall_stub::user ? pte::user : 0;
  if (!map(gdt_page, pte::writable | pte::no_execute) || !map(stubs_page, 0) ||
      !map(syscall_page, stub_flags))
    return false;
  for (unsigned p = tss_page; p < tss_page + max_vcpus / tss_per_page; ++p) {
    if (!map(p, pte::writable | pte::no_execute)) return false;
  }
  return true;
}

std::byte* system_area::shared_page(unsigned number, std::uint64_t flags, page_tables& tables) {
  std::byte*& known = shared_pages_[number];
  if (known) return known;
  const auto fresh = take();
  if (!fresh) return nullptr;
  const std::uint64_t user = stub_ == syscall_stub::user ? pte::user : 0;
  const std::uint64_t entry = fresh->guest_address | flags | user | pte::present | pte::backed;
  if (!tables.set(system_base + number * page_bytes, entry)) return nullptr;
  return known = fresh->host;
}

bool system_area::add_ring(unsigned id, page_tables& tables, std::uint32_t rounds, vcpu_area& out) {
  const unsigned code_page = ring_code_page + id / ring_codes, slot_page = ring_slot_page + id / ring_slots;
  std::byte* code = shared_page(code_page, 0, tables);
  std::byte* slots = shared_page(slot_page, pte::writable | pte::no_execute, tables);
  if (!code || !slots) return false;
  const std::uint64_t code_offset = id % ring_codes * std::uint64_t{ring_code_bytes};
  const std::uint64_t slot_offset = id % ring_slots * sizeof(ring_slot);
  const ring_stub stub = make_ring_stub(stub_, system_base + code_page * page_bytes + code_offset,
                                        system_base + slot_page * page_bytes + slot_offset, rounds);
  std::memcpy(code + code_offset, stub.code.data(), stub.code.size());
  out.stub = stub.place;
  out.setup.syscall_entry = stub.place.begin;
  out.slot = new (slots + slot_offset) ring_slot{};
  return true;
}

result<system_area::vcpu_area> system_area::prepare_vcpu(unsigned id, page_tables& tables,
                                                         std::uint32_t ring_rounds) {
  if (id >= max_vcpus) return error(osvm::errc::limit_exceeded, "vCPU id");
  const auto stack = take();
  if (!stack) return error(osvm::errc::limit_exceeded, "no memory for an interrupt stack");
  const std::uint64_t stack_va = system_base + (ist_page + id) * page_bytes;
  if (!tables.set(stack_va,
                  stack->guest_address | pte::present | pte::writable | pte::no_execute | pte::backed)) {
    return error(osvm::errc::limit_exceeded, "no memory for page tables");
  }
  const std::uint64_t tss_gpa = tss_page * page_bytes + id * std::uint64_t{tss_bytes};
  std::byte* tss = at(tss_gpa);
  const std::uint64_t stack_top = stack_va + page_bytes;
  std::memcpy(tss + 4, &stack_top, 8);     // RSP0
  std::memcpy(tss + 0x24, &stack_top, 8);  // IST1
  const std::uint16_t bitmap = tss_bitmap;
  std::memcpy(tss + 0x66, &bitmap, 2);
  std::uint8_t ports[4] = {0xff, 0xff, 0xff, 0xff};
  ports[syscall_port / 8] &= static_cast<std::uint8_t>(~(1U << (syscall_port % 8)));
  std::memcpy(tss + tss_bitmap, ports, sizeof ports);

  cpu_setup s;
  s.page_table = tables.root();
  s.gdt = system_base + gdt_page * page_bytes;
  s.gdt_limit = 8 * 8 - 1;
  s.idt = s.gdt + idt_offset;
  s.idt_limit = vectors * 16 - 1;
  s.tss = system_base + tss_gpa;
  s.tss_limit = tss_limit;
  s.syscall_entry = stub_address();
  constexpr std::uint64_t out_bytes = 2;
  vcpu_area area{s, stack->host, {}, nullptr};
  area.stub = {
      .begin = stub_address(), .end = stub_address() + page_bytes, .after_out = stub_address() + out_bytes};
  if (ring_rounds != 0 && !add_ring(id, tables, ring_rounds, area))
    return error(osvm::errc::limit_exceeded, "no memory for a call slot");
  return area;
}

exception_frame read_frame(const std::byte* interrupt_stack, bool has_error_code) noexcept {
  exception_frame f;
  const std::byte* top = interrupt_stack + page_bytes;
  std::uint64_t words[6] = {};
  std::memcpy(words, top - 48, sizeof words);
  f.error_code = has_error_code ? words[0] : 0;
  f.rip = words[1];
  f.cs = words[2];
  f.rflags = words[3];
  f.rsp = words[4];
  f.ss = words[5];
  return f;
}

std::byte* system_area::at(std::uint64_t gpa) const noexcept {
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    if (gpa >= chunk_base_[i] && gpa - chunk_base_[i] < chunks_[i].size())
      return chunks_[i].data() + (gpa - chunk_base_[i]);
  }
  return nullptr;
}

std::optional<page_source::page> system_area::take() {
  if (next_ + page_bytes > end_ && !grow(std::min<std::uint64_t>(end_, std::uint64_t{4} << 20)))
    return std::nullopt;
  const page p{next_, at(next_)};
  next_ += page_bytes;
  return p;
}

}  // namespace osvm::kvm
