// link: osvm::solana
// TransactionStatusMeta and Rewards messages as foreign bytes.
#include <osvm/solana/meta.hpp>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto meta = osvm::solana::parse_transaction_meta(bytes);
  (void)osvm::solana::parse_rewards(bytes);
  if (!meta) return 0;
  ++osvm_fuzz_accepted;
  std::string text;
  osvm::solana::json_writer out(text);
  if (meta->err) osvm::solana::write_json(out, *meta->err);
  return 0;
}
