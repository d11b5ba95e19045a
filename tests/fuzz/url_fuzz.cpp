// link: osvm::net
// Addresses of servers, as configuration files and command lines hold them.
#include <osvm/net/url.hpp>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto u = osvm::net::parse_url({reinterpret_cast<const char*>(data), size});
  if (!u) return 0;
  ++osvm_fuzz_accepted;
  if (u->host.empty() || u->port == 0 || u->target.find_first_of(" \r\n") != std::string::npos)
    __builtin_trap();
  return 0;
}
