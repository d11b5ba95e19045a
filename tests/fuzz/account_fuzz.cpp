// link: osvm::solana
// An account's data as foreign bytes, for every decoder: the first byte chooses the program (from
// 128 on those that validators do not decode), the second the sysvar.
#include <osvm/solana/account.hpp>

#include "solana/accounts/parser.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::solana;
  if (size < 2) return 0;
  static constexpr const pubkey* addresses[] = {
      &programs::sysvar_clock,          &programs::sysvar_rent,
      &programs::sysvar_slot_hashes,    &programs::sysvar_fees,
      &programs::sysvar_slot_history,   &programs::sysvar_stake_history,
      &programs::sysvar_rewards,        &programs::sysvar_epoch_rewards,
      &programs::sysvar_epoch_schedule, &programs::sysvar_recent_blockhashes};
  const bool beyond = data[0] >= 128;  // what validators do not decode
  const auto parsers = beyond ? more_account_parsers() : all_account_parsers();
  const auto& owner = *parsers[data[0] % parsers.size()]->owner;
  const account_view account{owner, 1, 0, false, std::as_bytes(std::span(data + 2, size - 2))};
  account_context context;
  context.mint = token_mint{.supply = 0, .decimals = data[1]};
  const more_decoders more;
  if (beyond) context.more = &more;
  std::string text;
  json_writer out(text);
  osvm_fuzz_accepted +=
      write_parsed_account(out, *addresses[data[1] % std::size(addresses)], account, context);
  if (const auto mint = read_token_mint(account.data)) write_token_amount(out, 1500, *mint, 1700000000);
  if (const auto vote = read_vote_account(account.data)) osvm_fuzz_accepted += !vote->history.empty();
  write_account(out, owner, account, account_encoding::base64_zstd, data_slice{data[0], data[1]}, context);
  return 0;
}
