// link: osvm::ledger
// The first byte chooses a format, the rest is a file of it: what is accepted is a block that a ledger can be
// made of.
#include <osvm/ledger/error.hpp>

#include "ledger/writer/rows.hpp"
#include "ledger/writer/shredder.hpp"
#include "ledger/writer/sources.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::ledger;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const block_format_limits limits{.max_json = 1 << 20, .max_message = 1 << 20, .max_transactions = 4096};
  opened_file file{byte_source_of(text), "fuzz", 7, 0};
  const auto source = data[0] % 4 == 0   ? make_json_source(std::move(file), limits)
                      : data[0] % 4 == 1 ? make_protobuf_source(std::move(file), limits)
                      : data[0] % 4 == 2 ? make_car_source(std::move(file), limits)
                                         : make_geyser_source(std::move(file), limits);
  while (true) {
    const auto b = source->next();
    if (!b || !*b) return 0;
    ++osvm_fuzz_accepted;
    for (std::size_t i = 0; i < (*b)->transactions.size(); ++i)
      (void)rows_of((*b)->transactions[i], (*b)->slot, static_cast<std::uint32_t>(i));
    (void)shred_block(**b, 0, {});
    (void)encode_protobuf_block(**b);
  }
}
