// link: osvm::unikernel
// ELF files as foreign bytes: whatever is accepted stays within the limits that were asked for.
#include <osvm/unikernel/image.hpp>

#include <cstdlib>
#include <span>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const osvm::unikernel::image_limits limits{
      .max_file_bytes = 1 << 20, .max_memory_bytes = 16 << 20, .max_segments = 16};
  const auto program = osvm::unikernel::image::parse(std::as_bytes(std::span(data, size)), "fuzz", limits);
  if (!program) return 0;
  ++osvm_fuzz_accepted;
  if (program->info().memory_bytes > limits.max_memory_bytes || program->info().segments > 16) std::abort();
  return 0;
}
