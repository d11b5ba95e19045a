// link: osvm::hotswap
// Whatever the bytes: no crash; and what is read is written back the same.
#include "hotswap/release/journal.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto read = osvm::hotswap::detail::read_journal(text);
  if (read && osvm::hotswap::detail::write_journal(*read) != text) __builtin_trap();
  osvm_fuzz_accepted += read ? 1 : 0;
  return 0;
}
