// link: osvm::ledger
// A snapshot's parts as foreign bytes: the first byte chooses the manifest, a storage, a tar archive or a
// dumped account.
#include <osvm/ledger/account_store.hpp>

#include "ledger/snapshot/tar.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::ledger;
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 4 == 0) {
    osvm_fuzz_accepted += parse_manifest(bytes).has_value();
  } else if (data[0] % 4 == 1) {
    osvm_fuzz_accepted += each_record(bytes, 1, [](const stored_record&) {}).has_value();
  } else if (data[0] % 4 == 2) {
    const auto from = byte_source_of(text);
    osvm_fuzz_accepted += each_tar_entry(*from, 100, [](const tar_entry&) -> osvm::result<std::uint64_t> {
                            return std::uint64_t{0};
                          }).has_value();
  } else {
    osvm_fuzz_accepted += parse_account_dump(text).has_value();
  }
  return 0;
}
