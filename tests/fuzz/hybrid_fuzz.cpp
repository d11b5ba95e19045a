// link: osvm::vsock
// The two handshake lines, as foreign bytes. A line that is accepted must format back to itself.
#include <osvm/vsock/endpoint.hpp>
#include <osvm/vsock/handshake.hpp>

#include <cstdlib>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto line = osvm::vsock::parse_connect(text); line && *line) {
    ++osvm_fuzz_accepted;
    if (osvm::vsock::format_connect((*line)->port) != text.substr(0, (*line)->size)) std::abort();
  }
  if (const auto line = osvm::vsock::parse_ok(text); line && *line) {
    ++osvm_fuzz_accepted;
    if (osvm::vsock::format_ok((*line)->port) != text.substr(0, (*line)->size)) std::abort();
  }
  if (const auto where = osvm::parse_endpoint(text);
      where && *osvm::parse_endpoint(to_string(*where)) != *where) {
    std::abort();
  }
  return 0;
}
