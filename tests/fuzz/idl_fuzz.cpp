// link: osvm::solana
// An interface and data: one text up to the first zero byte, then what it is to decode. The same bytes also
// go to what unpacks on-chain interfaces.
#include <osvm/solana/idl.hpp>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::solana;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto split = std::min(all.find('\0'), all.size());
  const idl_limits limits{.max_json = 1 << 16, .max_values = 4096, .max_output = 1 << 20};
  (void)unpack_idl_account(osvm::as_bytes(all), limits);
  const auto parsed = idl::parse(all.substr(0, split), limits);
  if (!parsed) return 0;
  const auto value = osvm::as_bytes(all.substr(std::min(split + 1, all.size())));
  const pubkey accounts[3] = {};
  osvm_fuzz_accepted += parsed->account(value).has_value();
  osvm_fuzz_accepted += parsed->instruction(accounts[0], accounts, value).has_value();
  osvm_fuzz_accepted += parsed->event(value).has_value();
  return 0;
}
