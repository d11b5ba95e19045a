#include "kvm/ring_stub.hpp"

#include "kvm/system_area.hpp"

#include <cstring>
#include <initializer_list>

namespace osvm::kvm {
namespace {

// Writes machine code; jumps are short and patched when their target is known.
class assembler {
 public:
  assembler(std::byte* out, std::uint64_t address, std::uint64_t slot)
      : out_(out), address_(address), slot_(slot) {}

  std::uint64_t here() const { return address_ + size_; }
  std::size_t size() const { return size_; }

  void put(std::initializer_list<std::uint8_t> bytes) {
    for (const std::uint8_t b : bytes) out_[size_++] = std::byte{b};
  }
  // An instruction whose operand is a field of the slot, RIP-relative, with `behind` more bytes after it.
  void slot_operand(std::initializer_list<std::uint8_t> opcode, std::size_t field, unsigned behind = 0) {
    put(opcode);
    const std::uint64_t next = here() + 4 + behind;
    put32(static_cast<std::uint32_t>(slot_ + field - next));
  }
  void put32(std::uint32_t value) {
    std::memcpy(out_ + size_, &value, 4);
    size_ += 4;
  }
  // A jump forward; the result is passed to land().
  std::size_t jump(std::uint8_t opcode) {
    put({opcode, 0});
    return size_;
  }
  void land(std::size_t jump_end) { out_[jump_end - 1] = static_cast<std::byte>(size_ - jump_end); }
  void jump_back(std::uint8_t opcode, std::size_t to) {
    put({opcode, 0});
    out_[size_ - 1] = static_cast<std::byte>(static_cast<std::uint8_t>(to - size_));
  }

 private:
  std::byte* out_;
  std::uint64_t address_, slot_;
  std::size_t size_ = 0;
};

constexpr std::uint8_t jrcxz = 0xe3, jmp = 0xeb;

// Back to the program. A: sysretq. B: jmp rcx; flags are as SYSCALL left them, which is why the host refuses
// calls whose R11 has bits that SYSCALL masks.
void put_return(assembler& a, syscall_stub kind) {
  if (kind == syscall_stub::supervisor) {
    a.put({0x48, 0x0f, 0x07});
  } else {
    a.put({0xff, 0xe1});
  }
}

}  // namespace

ring_stub make_ring_stub(syscall_stub kind, std::uint64_t code_address, std::uint64_t slot_address,
                         std::uint32_t rounds) noexcept {
  ring_stub stub{};
  assembler a(stub.code.data(), code_address, slot_address);
  const auto store_rcx = [&] { a.slot_operand({0x48, 0x89, 0x0d}, offsetof(ring_slot, rcx)); };
  const auto load_rcx = [&] { a.slot_operand({0x48, 0x8b, 0x0d}, offsetof(ring_slot, rcx)); };
  const auto load_r11 = [&] { a.slot_operand({0x4c, 0x8b, 0x1d}, offsetof(ring_slot, r11)); };
  const auto load_ecx = [&](std::size_t field) { a.slot_operand({0x8b, 0x0d}, field); };
  const auto out = [&] { a.put({0xe6, syscall_port}); };

  store_rcx();
  load_ecx(offsetof(ring_slot, enabled));
  const std::size_t not_enabled = a.jump(jrcxz);
  const std::size_t enabled = a.jump(jmp);
  a.land(not_enabled);
  load_rcx();
  out();
  stub.place.after_out = a.here();
  put_return(a, kind);

  a.land(enabled);
  a.slot_operand({0x48, 0x89, 0x05}, offsetof(ring_slot, rax));
  a.slot_operand({0x48, 0x89, 0x3d}, offsetof(ring_slot, rdi));
  a.slot_operand({0x48, 0x89, 0x35}, offsetof(ring_slot, rsi));
  a.slot_operand({0x48, 0x89, 0x15}, offsetof(ring_slot, rdx));
  a.slot_operand({0x4c, 0x89, 0x15}, offsetof(ring_slot, r10));
  a.slot_operand({0x4c, 0x89, 0x05}, offsetof(ring_slot, r8));
  a.slot_operand({0x4c, 0x89, 0x0d}, offsetof(ring_slot, r9));
  a.slot_operand({0x4c, 0x89, 0x1d}, offsetof(ring_slot, r11));
  a.slot_operand({0xc7, 0x05}, offsetof(ring_slot, pending), 4);  // x86 keeps the order of stores
  a.put32(1);
  stub.place.waiting = a.here();
  a.put({0x41, 0xbb});  // mov r11d, rounds
  a.put32(rounds);
  const std::size_t look = a.size();
  a.put({0xf3, 0x90});  // pause
  load_ecx(offsetof(ring_slot, pending));
  const std::size_t answered = a.jump(jrcxz);
  a.put({0x4d, 0x8d, 0x5b, 0xff});  // lea r11, [r11 - 1]: no flag changes
  a.put({0x4c, 0x89, 0xd9});        // mov rcx, r11
  const std::size_t in_vain = a.jump(jrcxz);
  a.jump_back(jmp, look);

  a.land(answered);
  load_ecx(offsetof(ring_slot, refused));
  const std::size_t served = a.jump(jrcxz);

  a.land(in_vain);
  load_r11();
  load_rcx();
  out();
  stub.place.after_late = a.here();
  put_return(a, kind);

  a.land(served);
  load_r11();
  load_rcx();
  a.slot_operand({0x48, 0x8b, 0x05}, offsetof(ring_slot, result));
  put_return(a, kind);

  stub.place.waiting_end = a.here();
  stub.place.begin = code_address;
  stub.place.end = a.here();
  return stub;
}

}  // namespace osvm::kvm
