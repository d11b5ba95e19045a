// link: osvm::solana
// Answers of JSON-RPC nodes.
#include <osvm/solana/rpc_client.hpp>

#include <boost/json/parse.hpp>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto r = osvm::solana::read_rpc_answer({reinterpret_cast<const char*>(data), size}, "1", 32);
  if (!r) return 0;
  ++osvm_fuzz_accepted;
  // A piece of valid JSON is valid JSON.
  boost::system::error_code failed;
  (void)boost::json::parse(*r, failed);
  if (failed) __builtin_trap();
  return 0;
}
