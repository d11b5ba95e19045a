// link: osvm::unikernel
// A signal frame as a hostile program leaves it for rt_sigreturn: what is accepted keeps to the guest's own
// features.
#include "unikernel/memory/address_space.hpp"
#include "unikernel/signals/frame.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

extern "C" {
int osvm_fuzz_accepted = 0;
}

namespace {

using namespace osvm::unikernel;

constexpr std::uint64_t base = 0x10'0000, room = 64 << 10;
constexpr xstate_layout layout{.features = 0xe7, .size = 2688};

void require(bool ok) {
  if (!ok) std::abort();
}

void check(const signal_context& c) {
  std::uint64_t header[8];
  std::memcpy(header, c.xstate.data() + 512, sizeof header);
  require(!(header[0] & ~layout.features));
  require(std::all_of(header + 1, header + 8, [](std::uint64_t v) { return v == 0; }));
  require(!(c.mask & unblockable_signals));
  require(std::all_of(c.xstate.begin() + layout.size, c.xstate.end(),
                      [](std::byte b) { return b == std::byte{0}; }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  address_space memory({}, 1 << 20);
  require(memory.start().has_value());
  require(memory.map({.address = base, .size = room, .protection = PROT_READ | PROT_WRITE, .fixed = true}) >
          0);
  // The first byte is where the frame begins: the extended state needs an alignment, and the area has an end.
  if (size == 0) return 0;
  const std::uint64_t at = base + (data[0] & 0x80 ? room - 512 : 0) + (data[0] & 0x7f);
  const std::size_t n = std::min<std::size_t>(size - 1, base + room - at);
  if (n && !memory_access(memory).write(at, data + 1, n)) return 0;
  signal_context c;
  if (!read_signal_frame(memory, at, layout, c)) return 0;
  check(c);
  ++osvm_fuzz_accepted;
  return 0;
}
