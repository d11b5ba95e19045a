// link: osvm::solana
// TransactionStatusMeta and Rewards messages as foreign bytes, and the forms before them.
#include <osvm/solana/meta.hpp>

#include <cstdlib>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto meta = osvm::solana::parse_transaction_meta(bytes);
  (void)osvm::solana::parse_rewards(bytes);
  (void)osvm::solana::parse_meta_error(bytes);
  // What is rewritten are messages.
  const auto old = osvm::solana::rewrite_old_meta(bytes);
  if (old && !osvm::solana::parse_transaction_meta(osvm::as_bytes(*old))) std::abort();
  const auto rewards = osvm::solana::rewrite_old_rewards(bytes);
  if (rewards && !osvm::solana::parse_rewards(osvm::as_bytes(*rewards))) std::abort();
  if (!meta && !old && !rewards) return 0;
  ++osvm_fuzz_accepted;
  std::string text;
  osvm::solana::json_writer out(text);
  if (meta && meta->err) osvm::solana::write_json(out, *meta->err);
  return 0;
}
