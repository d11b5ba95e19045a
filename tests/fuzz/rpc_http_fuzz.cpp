// link: osvm::ledger
// Heads of HTTP requests to the RPC server.
#include "ledger/rpc/http.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  osvm::ledger::http::head head;
  if (osvm::ledger::http::parse_head(text, 16384, 50 << 10, head) != osvm::ledger::http::verdict::ok)
    return 0;
  ++osvm_fuzz_accepted;
  if (head.size > size || head.body > (50 << 10)) __builtin_trap();
  return 0;
}
