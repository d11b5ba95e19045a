// link: osvm::unikernel
// What a loader reads of foreign files: /etc/ld.so.cache and the dynamic section of an ELF file.
#include "unikernel/elf/dynamic.hpp"
#include "unikernel/elf/library_cache.hpp"

#include <cstdlib>
#include <span>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  namespace elf = osvm::unikernel::elf;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto cache = elf::parse_library_cache(bytes, 1000);
  for (const auto& [name, path] : cache.paths)
    if (name.empty() || name.find('/') != name.npos || !path.starts_with('/')) std::abort();
  const auto source = elf::source_of(bytes);
  const auto layout = elf::read_layout(source, {.max_segments = 16});
  const auto dynamic =
      layout ? elf::read_dynamic(source, *layout) : osvm::result<elf::dynamic_info>(layout.error());
  if (!cache.paths.empty() || (dynamic && !dynamic->needed.empty())) ++osvm_fuzz_accepted;
  return 0;
}
