// link: osvm::images
// An image file by somebody who means ill: refused with a reason, or read, verified, and its entry looked up
// and opened.
#include <osvm/images/run.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const osvm::unique_fd file(::memfd_create("image", MFD_CLOEXEC));
  if (!file || ::pwrite(file.get(), data, size, 0) != static_cast<ssize_t>(size)) return 0;
  const auto image = osvm::images::image_file::open(file, "fuzz", {.max_unpacked_bytes = 1 << 20});
  if (!image) return 0;
  osvm_fuzz_accepted += image->verify().has_value();
  const auto tree = osvm::images::image_tree::create(*image);
  if (const auto entry = tree->find(image->info().entry)) (void)tree->open(*entry);
  return 0;
}
