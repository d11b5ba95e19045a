// link: osvm::net
// Answers of HTTP servers, in pieces whose size the first byte says.
#include "net/response_reader.hpp"

#include <algorithm>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace osvm::net;
  if (size < 1) return 0;
  constexpr response_limits limits{.max_head = 1024, .max_body = 2048};
  response_reader in(limits);
  const std::size_t step = std::max<std::size_t>(data[0], 1);
  const std::string_view all(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)read_head(all, limits.max_head);
  std::string waiting;
  for (std::size_t at = 0; at < all.size() && !in.done(); at += step) {
    waiting.append(all.substr(at, step));
    const auto taken = in.take(waiting);
    if (!taken) return 0;
    waiting.erase(0, *taken);
    if (waiting.size() > limits.max_head) __builtin_trap();
  }
  if (!in.done() && !in.finish()) return 0;
  const auto r = in.release();
  if (r.body.size() > limits.max_body) __builtin_trap();
  ++osvm_fuzz_accepted;
  return 0;
}
