// link: osvm::core
#include <osvm/core/config.hpp>

#include <cstdint>
#include <string_view>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto doc = osvm::parse_config({reinterpret_cast<const char*>(data), size});
  if (!doc) return 0;
  ++osvm_fuzz_accepted;
  for (const auto& v : doc->items()) (void)(v.as_string(), v.as_integer(-5, 5), v.as_duration(), v.as_size());
  return 0;
}
