// link: osvm::ledger
// Rows of a ledger's smaller columns, and genesis.bin.
#include <osvm/ledger/genesis.hpp>
#include <osvm/ledger/slot_meta.hpp>

#include "ledger/keys.hpp"
#include "ledger/memo.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::ledger;
  const auto bytes = std::as_bytes(std::span(data, size));
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto m = parse_slot_meta(bytes)) {
    ++osvm_fuzz_accepted;
    if (m->next_slots.size() > size) __builtin_trap();
  }
  osvm_fuzz_accepted += parse_shred_index(bytes).has_value();
  osvm_fuzz_accepted += parse_perf_sample(bytes).has_value();
  osvm_fuzz_accepted += parse_genesis(bytes).has_value();
  if (const auto memo = parse_memo(bytes); memo && memo->size() > size) __builtin_trap();
  (void)keys::read_address(text);
  (void)keys::read_old_address(text);
  return 0;
}
