// link: osvm::unikernel
// What a worker process that a guest has taken over may send to its handle, and the other way round: refused,
// or decoded to a value whose encoding is the same again.
#include "unikernel/worker/link.hpp"

#include <cstdlib>
#include <string_view>

extern "C" {
int osvm_fuzz_accepted = 0;
}

namespace {

using namespace osvm;
using namespace osvm::unikernel;

template <class T>
void check(std::string_view bytes) {
  const std::vector<int> fds{100, 101, 102, 103};  // numbers only: nothing is opened or closed here
  T value{};
  wire::reader in(bytes, fds);
  in(value);
  if (in.failed() || in.remaining() != 0) return;
  ++osvm_fuzz_accepted;
  wire::writer out;
  out(value);
  if (out.bytes() != bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 10) {
    case 0: check<exit_report>(bytes); break;
    case 1: check<std::vector<event>>(bytes); break;
    case 2: check<std::pair<std::optional<wire::failure>, std::optional<instance_stats>>>(bytes); break;
    case 3: check<std::pair<std::optional<wire::failure>, std::optional<learned_policy>>>(bytes); break;
    case 4: check<std::pair<std::optional<wire::failure>, std::optional<std::string>>>(bytes); break;
    case 5: check<wire::create_request>(bytes); break;
    case 6: check<listener>(bytes); break;
    case 7: check<wire::adoption_request>(bytes); break;
    case 8:
      check<std::pair<std::optional<wire::failure>, std::optional<wire::adopted_instance>>>(bytes);
      break;
    default: check<std::pair<std::uint32_t, std::uint32_t>>(bytes); break;
  }
  return 0;
}
