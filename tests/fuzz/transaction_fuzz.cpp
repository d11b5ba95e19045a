// link: osvm::solana
// Transactions as foreign bytes: what is accepted is inside the input and can be written in every encoding.
#include <osvm/solana/compute_budget.hpp>
#include <osvm/solana/encode.hpp>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  osvm::solana::transaction_view tx;
  if (!osvm::solana::parse_transaction(bytes, tx)) return 0;
  if (tx.size > size) __builtin_trap();
  if (osvm::solana::sanitize(tx)) ++osvm_fuzz_accepted;
  if (const auto budget = osvm::solana::read_compute_budget(tx.message); budget && budget->units > 1'400'000)
    __builtin_trap();
  (void)osvm::solana::paid_signatures(tx.message);
  std::string text;
  osvm::solana::json_writer out(text);
  out.begin_object();
  (void)osvm::solana::write_transaction_fields(
      out, bytes, tx, nullptr,
      {.encoding = osvm::solana::transaction_encoding::json_parsed, .max_version = 255});
  return 0;
}
