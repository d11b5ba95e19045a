// link: osvm::hotswap
// The PROXY protocol and the methods of JSON-RPC bodies. Whatever the bytes: no crash; a header that is whole
// is so with more behind it, and what it says can be written and read again.
#include "hotswap/proxy/proxy_header.hpp"
#include "hotswap/proxy/rpc_method.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace osvm::hotswap;
  using namespace osvm::hotswap::detail;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto h = read_proxy_header(text);
  if (h.state == proxy_header::status::whole) {
    if (h.size > size || read_proxy_header(text.substr(0, h.size)).size != h.size) __builtin_trap();
    if (h.source.known()) {
      const auto again = read_proxy_header(write_proxy_header(proxy_protocol::v2, h.source, h.destination));
      if (again.state != proxy_header::status::whole) __builtin_trap();
    }
    ++osvm_fuzz_accepted;
  }
  if (read_rpc_methods(text, 100).status == rpc_status::ok) ++osvm_fuzz_accepted;
  return 0;
}
