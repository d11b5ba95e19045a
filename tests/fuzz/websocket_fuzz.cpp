// link: osvm::net
// Frames of a WebSocket: the first byte says which end reads, the second how the bytes are cut.
#include <osvm/net/websocket_frames.hpp>

#include <algorithm>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::net;
  if (size < 2) return 0;
  constexpr std::size_t limit = 4096;
  websocket_reader in(data[0] & 1 ? websocket_role::server : websocket_role::client, limit);
  const std::size_t step = std::max<std::size_t>(data[1], 1);
  for (std::size_t at = 2; at < size; at += step) {
    in.feed({reinterpret_cast<const char*>(data) + at, std::min(step, size - at)});
    for (;;) {
      const auto m = in.next();
      if (!m) return 0;
      if (!*m) break;
      ++osvm_fuzz_accepted;
      if ((**m).data.size() > limit) __builtin_trap();
    }
    if (in.buffered() > 2 * limit + 512) __builtin_trap();
  }
  return 0;
}
