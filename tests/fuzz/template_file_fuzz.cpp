// link: osvm::unikernel
// A template's header and the state behind it, as a file has them.
#include "unikernel/snapshot/disk/template_file.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::unikernel;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)decode_header(bytes);
  if (size < template_header_size) return 0;
  // The header's digests would keep every change out: the state is read whatever they say.
  auto state = decode_state(bytes.substr(template_header_size));
  if (!state) return 0;
  constexpr std::uint64_t pages = 64 << 20;
  if (!check_state(*state, pages, state->image.file_bytes)) return 0;
  ++osvm_fuzz_accepted;
  for (const auto& r : state->runs)
    if (r.offset + r.size > pages || r.va + r.size > user_end) __builtin_trap();
  const auto again = encode_state(*state);
  if (!again || *again != bytes.substr(template_header_size)) __builtin_trap();
  return 0;
}
