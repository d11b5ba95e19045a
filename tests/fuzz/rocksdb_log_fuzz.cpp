// link: osvm::ledger
// Records of logs: as version edits of a MANIFEST and as write batches of a write-ahead log.
#include "ledger/rocksdb/manifest.hpp"
#include "ledger/rocksdb/wal.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::ledger::rocksdb;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  manifest_builder manifest;
  if (manifest.apply(text) && manifest.finish().families.size() > 1) ++osvm_fuzz_accepted;
  const auto log = std::make_shared<log_file>();
  wal_run run(log);
  if (run.add_batch(text, {}) && run.rows()) ++osvm_fuzz_accepted;
  run.finish();
  log_reader reader(1);
  for (std::size_t at = 0; at < size; at += log_reader::block_size) {
    const auto more =
        reader.read_block(text.substr(at, log_reader::block_size), at, 0,
                          [&](std::string_view record, const record_place& place) -> osvm::result<> {
                            ++osvm_fuzz_accepted;
                            (void)run.add_batch(record, place);
                            return manifest.apply(record);
                          });
    if (!more || !*more) break;
  }
  return 0;
}
