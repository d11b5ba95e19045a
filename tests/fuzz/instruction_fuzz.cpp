// link: osvm::solana
// An instruction's data as foreign bytes, for every parser: the first byte chooses the program (from
// 128 on those that validators do not decode), the second how many accounts there are.
#include "solana/instructions/parser.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::solana;
  if (size < 2) return 0;
  static const std::array<pubkey, 16> keys{programs::system, programs::sysvar_clock, programs::sysvar_rent};
  std::array<std::uint8_t, 16> indexes{};
  for (std::size_t i = 0; i < indexes.size(); ++i) indexes[i] = static_cast<std::uint8_t>(i);
  const account_keys all(keys, nullptr);
  const auto parsers = data[0] < 128 ? all_instruction_parsers() : more_instruction_parsers();
  const std::span accounts(indexes.data(), data[1] % (indexes.size() + 1));
  std::string json;
  osvm_fuzz_accepted +=
      parse_instruction(*parsers[data[0] % parsers.size()],
                        {accounts, std::as_bytes(std::span(data + 2, size - 2)), all}, json);
  return 0;
}
