// link: osvm::unikernel
// System calls by a hostile guest, without KVM: whatever it asks, the host stays whole and loses no
// descriptor.
#include "support/syscall_grammar.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

static std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto before = open_descriptors();
  const int succeeded = osvm::unikernel::testing::syscall_sequence({data, size}).run();
  osvm_fuzz_accepted += succeeded >= 3;
  osvm::unikernel::testing::require(open_descriptors() == before, "giving back every descriptor");
  return 0;
}
