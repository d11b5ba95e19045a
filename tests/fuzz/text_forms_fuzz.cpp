// link: osvm::solana
// base58 and base64: what is accepted is the only text of its bytes, and the forms of fixed sizes agree.
#include <osvm/solana/base58.hpp>
#include <osvm/solana/base64.hpp>

#include <algorithm>
#include <array>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::solana;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto any = base58_decode(text, 2048);
  if (any && base58_encode(*any) != text) __builtin_trap();
  std::array<std::uint8_t, 64> fixed{};
  for (const std::size_t n : {std::size_t{32}, std::size_t{64}}) {
    const bool taken = n == 32 ? base58_decode_32(text, fixed.data()) : base58_decode_64(text, fixed.data());
    if (taken != (any && any->size() == n)) __builtin_trap();
    if (taken && !std::ranges::equal(*any, std::as_bytes(std::span(fixed).first(n)))) __builtin_trap();
    osvm_fuzz_accepted += taken;
  }
  const auto sixty_four = base64_decode(text, 2048);
  if (sixty_four && base64_encode(*sixty_four) != text) __builtin_trap();
  const auto bytes = std::as_bytes(std::span(data, std::min<std::size_t>(size, 1024)));
  const auto back = base58_decode(base58_encode(bytes), 2048);
  if (!back || !std::ranges::equal(*back, bytes)) __builtin_trap();
  return 0;
}
