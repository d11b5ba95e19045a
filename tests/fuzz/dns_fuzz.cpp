// link: osvm::unikernel
// A guest's DNS questions and netlink requests: answers stay bounded and repeat only what was asked.
#include "unikernel/sockets/dns.hpp"
#include "unikernel/sockets/netlink.hpp"

#include <cstdlib>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::unikernel;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  dns::question asked;
  if (dns::parse(bytes, asked)) {
    ++osvm_fuzz_accepted;
    const auto out = dns::respond(bytes, asked, {.known = true, .addresses = {{1, 2, 3, 4}, {5, 6, 7, 8}}});
    if (asked.end > size || out.size() != asked.end + 32 || asked.name.size() > 253) std::abort();
  }
  for (const auto& datagram : netlink::answer(bytes, 7))
    if (datagram.size() < 16 || datagram.size() > 512) std::abort();
  return 0;
}
