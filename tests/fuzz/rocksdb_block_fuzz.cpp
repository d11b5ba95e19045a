// link: osvm::ledger
// Blocks of table files: walks of every kind end, both directions see the same rows.
#include "ledger/rocksdb/block.hpp"
#include "ledger/rocksdb/decompress.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::ledger::rocksdb;
  if (size < 1) return 0;
  const std::string_view block(reinterpret_cast<const char*>(data + 1), size - 1);
  (void)decompress(block, data[0] % 9, {}, 1 << 20);
  for (const auto format :
       {block_format::rows, block_format::plain, block_format::index, block_format::index_delta}) {
    block_cursor c;
    if (!c.reset(block, format, format == block_format::rows, data[0] & 1)) continue;
    std::size_t rows = 0;
    for (c.seek_first(); c.valid(); c.next()) ++rows;
    if (rows && c.ok() && format == block_format::rows) ++osvm_fuzz_accepted;
    if (!c.ok() && !c.reset(block, format, format == block_format::rows, data[0] & 1)) return 0;
    c.seek(block.substr(0, data[0]));
    for (std::size_t n = 0; c.valid() && n < 1000; ++n) c.prev();
    c.seek_last();
  }
  return 0;
}
