// link: osvm::hotswap
// Whatever the bytes: no crash; and a body that is read in one piece is the same as one read byte by byte.
#include "hotswap/support/http1_exerciser.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto whole = osvm::test::exercise(text, text.size() + 1);
  const auto bytewise = osvm::test::exercise(text, 1);
  if (!(whole == bytewise)) __builtin_trap();
  osvm_fuzz_accepted += static_cast<int>(whole.messages);
  return 0;
}
