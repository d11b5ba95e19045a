// link: osvm::unikernel
// A policy file by somebody who means ill: refused or read, and what was read can be written and read again.
#include <osvm/unikernel/policy_file.hpp>

#include <cstdlib>
#include <string_view>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::unikernel;
  const auto read = parse_policy({reinterpret_cast<const char*>(data), size}, "fuzz", {.base_dir = "/base"});
  if (!read) return 0;
  ++osvm_fuzz_accepted;
  const std::string text = format_policy(*read);
  const auto again = parse_policy(text);
  if (!again || format_policy(*again) != text) std::abort();
  return 0;
}
