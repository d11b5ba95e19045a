// link: osvm::ledger
// One input is a shred, and a batch of entries: whatever is accepted lies inside the input.
#include <osvm/ledger/block.hpp>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const bool genesis : {false, true}) {
    const auto shred = osvm::ledger::parse_shred(bytes, genesis);
    if (shred && shred->payload.size() > size) __builtin_trap();
  }
  (void)osvm::ledger::merkle_root(bytes);
  const osvm::bytes_view whole[] = {bytes, bytes};
  (void)osvm::ledger::block::build(whole);
  const auto batch = osvm::ledger::block::from_batch(std::string(reinterpret_cast<const char*>(data), size));
  if (batch && !batch->entries().empty()) ++osvm_fuzz_accepted;
  return 0;
}
