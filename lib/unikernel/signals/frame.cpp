#include "unikernel/signals/frame.hpp"

#include "unikernel/memory/address_space.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace osvm::unikernel {
namespace {

// As the kernel lays them out (asm/sigcontext.h, asm/ucontext.h); sizes are checked below.
struct machine_context {
  std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
  std::uint16_t cs, gs, fs, ss;
  std::uint64_t error, trap, old_mask, cr2, xstate;
  std::uint64_t reserved[8];
};
struct user_stack {
  std::uint64_t pointer;
  std::uint32_t flags, padding;
  std::uint64_t size;
};
struct user_context {
  std::uint64_t flags, link;
  user_stack stack;
  machine_context machine;
  std::uint64_t mask;
};
struct signal_frame {
  std::uint64_t restorer;
  user_context context;
  siginfo_t info;
};
static_assert(sizeof(machine_context) == 256 && sizeof(user_context) == 304 && sizeof(signal_frame) == 440);

// The last 48 bytes of the legacy FXSAVE area, which belong to software.
struct software_bytes {
  std::uint32_t magic, extended_size;
  std::uint64_t features;
  std::uint32_t size;
  std::uint32_t padding[7];
};
struct xsave_header {
  std::uint64_t present, compaction;
  std::uint64_t reserved[6];
};
static_assert(sizeof(software_bytes) == 48 && sizeof(xsave_header) == 64);

constexpr std::uint32_t magic_begin = 0x46505853,
                        magic_end = 0x46505845;  // FP_XSTATE_MAGIC1, FP_XSTATE_MAGIC2
constexpr std::size_t legacy_size = 512, header_size = 64, software_offset = 464, mxcsr_offset = 24;
constexpr std::uint64_t red_zone = 128;
constexpr std::uint64_t context_has_xstate = 1, context_has_ss = 2, context_strict_ss = 4;
constexpr std::uint16_t linux_code = 0x33, linux_data = 0x2b;  // what Linux programs see in their frames
constexpr std::uint64_t legacy_features = 3;                   // x87 and SSE

machine_context to_machine(const kvm::registers& r) noexcept {
  machine_context m{};
  m.r8 = r.r8, m.r9 = r.r9, m.r10 = r.r10, m.r11 = r.r11, m.r12 = r.r12, m.r13 = r.r13, m.r14 = r.r14,
  m.r15 = r.r15;
  m.rdi = r.rdi, m.rsi = r.rsi, m.rbp = r.rbp, m.rbx = r.rbx, m.rdx = r.rdx, m.rax = r.rax, m.rcx = r.rcx;
  m.rsp = r.rsp, m.rip = r.rip, m.rflags = r.rflags;
  m.cs = linux_code;
  m.ss = linux_data;
  return m;
}

kvm::registers to_registers(const machine_context& m) noexcept {
  kvm::registers r;
  r.r8 = m.r8, r.r9 = m.r9, r.r10 = m.r10, r.r11 = m.r11, r.r12 = m.r12, r.r13 = m.r13, r.r14 = m.r14,
  r.r15 = m.r15;
  r.rdi = m.rdi, r.rsi = m.rsi, r.rbp = m.rbp, r.rbx = m.rbx, r.rdx = m.rdx, r.rax = m.rax, r.rcx = m.rcx;
  r.rsp = m.rsp, r.rip = m.rip, r.rflags = m.rflags;
  return r;
}

template <class T>
T part(std::span<const std::byte> bytes, std::size_t at) noexcept {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}
template <class T>
void put(std::span<std::byte> bytes, std::size_t at, const T& value) noexcept {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

// The extended state as it stands in a frame: the area, its description for software, and the closing mark.
std::vector<std::byte> framed_xstate(const frame_request& q) {
  std::vector<std::byte> area(q.layout.size + sizeof magic_end);
  std::copy_n(q.xstate.begin(), q.layout.size, area.begin());
  software_bytes sw{};
  sw.magic = magic_begin;
  sw.extended_size = q.layout.size + static_cast<std::uint32_t>(sizeof magic_end);
  sw.features = q.layout.features;
  sw.size = q.layout.size;
  put(area, software_offset, sw);
  // KVM adds protection keys whether the guest has them or not; Linux shows the legacy state always.
  const auto present = part<std::uint64_t>(area, legacy_size);
  put(area, legacy_size, (present & q.layout.features) | legacy_features);
  put(area, q.layout.size, magic_end);
  return area;
}

// Where the frame goes: below the red zone, or on the alternate stack. 0: the alternate stack is used up.
std::uint64_t frame_address(const frame_request& q, std::uint64_t xstate_size, std::uint64_t& xstate_va) {
  std::uint64_t sp = q.user.rsp - red_zone;
  const bool nested = q.stack.usable() && q.stack.holds(q.user.rsp);
  const bool entering = (q.action.flags & SA_ONSTACK) && q.stack.usable() && !nested;
  if (entering) sp = q.stack.pointer + q.stack.size;
  xstate_va = (sp - xstate_size) & ~std::uint64_t{63};
  const std::uint64_t at = ((xstate_va - sizeof(signal_frame)) & ~std::uint64_t{15}) - 8;
  const bool fits = at >= q.stack.pointer && at < q.stack.pointer + q.stack.size;
  return (entering || nested) && !fits ? 0 : at;
}

}  // namespace

xstate_bytes initial_xstate() noexcept {
  xstate_bytes x{};
  put<std::uint16_t>(x, 0, 0x37f);
  put<std::uint32_t>(x, mxcsr_offset, 0x1f80);
  put<std::uint64_t>(x, legacy_size, legacy_features);
  return x;
}

std::optional<kvm::registers> push_signal_frame(address_space& memory, const frame_request& q) {
  if (!(q.action.flags & restorer_flag)) return std::nullopt;  // x86-64 Linux has no other way back
  const std::vector<std::byte> xstate = framed_xstate(q);
  std::uint64_t xstate_va = 0;
  const std::uint64_t at = frame_address(q, xstate.size(), xstate_va);
  if (at == 0 || !kvm::user_canonical(at)) return std::nullopt;
  signal_frame f{};
  f.restorer = q.action.restorer;
  f.context.flags = context_has_xstate | context_has_ss | context_strict_ss;
  f.context.stack = {q.stack.pointer, q.stack.flags, 0, q.stack.size};
  f.context.machine = to_machine(q.user);
  f.context.machine.error = q.trap.error;
  f.context.machine.trap = q.trap.number;
  f.context.machine.cr2 = q.trap.address;
  f.context.machine.old_mask = q.saved_mask;
  f.context.machine.xstate = xstate_va;
  f.context.mask = q.saved_mask;
  f.info = q.info;
  {
    memory_access access(memory);
    if (!access.write(xstate_va, xstate.data(), xstate.size()) || !access.write(at, f)) return std::nullopt;
  }
  kvm::registers r = q.user;
  r.rdi = static_cast<std::uint64_t>(q.info.si_signo);
  r.rsi = at + offsetof(signal_frame, info);
  r.rdx = at + offsetof(signal_frame, context);
  r.rax = 0;
  r.rsp = at;
  r.rip = q.action.handler;
  r.rflags &= ~(kvm::rflags::df | kvm::rflags::tf);
  return r;
}

namespace {

bool acceptable(std::span<const std::byte> area, const xstate_layout& layout) noexcept {
  const auto header = part<xsave_header>(area, legacy_size);
  constexpr std::uint32_t mxcsr_bits = 0xffff;
  return !(header.present & ~layout.features) && header.compaction == 0 &&
         std::all_of(std::begin(header.reserved), std::end(header.reserved),
                     [](std::uint64_t v) { return v == 0; }) &&
         !(part<std::uint32_t>(area, mxcsr_offset) & ~mxcsr_bits);
}

// As the kernel does: a description that does not fit means that only the legacy part counts.
bool read_xstate(memory_access& memory, std::uint64_t va, const xstate_layout& layout, xstate_bytes& out) {
  std::array<std::byte, legacy_size> legacy;
  if (va % 64 || !memory.read(va, legacy.data(), legacy.size())) return false;
  const auto sw = part<software_bytes>(legacy, software_offset);
  std::uint32_t end = 0;
  const bool described = sw.magic == magic_begin && sw.size >= legacy_size + header_size &&
                         sw.size <= layout.size && sw.extended_size == sw.size + sizeof end &&
                         memory.read(va + sw.size, end) && end == magic_end;
  out = {};
  if (!described) {
    std::copy(legacy.begin(), legacy.end(), out.begin());
    put(out, legacy_size, legacy_features);
  } else {
    if (!memory.read(va, out.data(), sw.size)) return false;
    put(out, legacy_size, part<std::uint64_t>(out, legacy_size) & (sw.features | ~layout.features));
  }
  put(out, software_offset, software_bytes{});
  return acceptable(out, layout);
}

}  // namespace

bool read_signal_frame(address_space& memory, std::uint64_t rsp, const xstate_layout& layout,
                       signal_context& out) {
  memory_access access(memory);
  user_context c;
  // The handler's return took the restorer's address off the stack.
  if (!access.read(rsp, c)) return false;
  out.user = to_registers(c.machine);
  out.mask = c.mask & ~unblockable_signals;
  out.stack = {c.stack.pointer, c.stack.size, c.stack.flags & (SS_DISABLE | stack_disarm)};
  if (c.machine.xstate == 0) {  // no extended state: the initial one
    out.xstate = initial_xstate();
    return true;
  }
  return read_xstate(access, c.machine.xstate, layout, out.xstate);
}

}  // namespace osvm::unikernel
