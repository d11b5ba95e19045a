// osvm_images.h over osvm/images.
#include <osvm_images.h>

#include <osvm/images/build.hpp>

#include "guard.hpp"

#include <fcntl.h>

namespace im = osvm::images;
using namespace osvm::capi;

namespace {

static_assert(static_cast<int>(im::errc::bad_key) == OSVM_IMAGES_BAD_KEY);
static_assert(static_cast<int>(im::errc::digest_mismatch) == OSVM_IMAGES_DIGEST_MISMATCH);

osvm::result<im::image_file> open_signed(const char* path, const char* public_key) {
  OSVM_TRY(auto image, im::image_file::open(path));
  if (public_key) OSVM_CHECK(image.verify_signature(public_key));
  return image;
}

}  // namespace

extern "C" {

osvm_error* osvm_images_build(const char* source, const char* output, const char* manifest, char** out_id) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(source);
    OSVM_REQUIRE(output);
    OSVM_REQUIRE(manifest);
    OSVM_TRY(const auto made,
             im::build_image({.source = source, .output = output, .manifest = manifest, .limits = {}}));
    if (out_id) *out_id = copy_string(im::to_hex(made.id));
    return {};
  });
}

osvm_error* osvm_images_sign(const char* path, const char* private_key) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(path);
    OSVM_REQUIRE(private_key);
    return im::sign_image(path, private_key);
  });
}

osvm_error* osvm_images_verify(const char* path, const char* public_key, char** out_id) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(path);
    OSVM_TRY(const auto image, open_signed(path, public_key));
    OSVM_CHECK(image.verify());
    if (out_id) *out_id = copy_string(im::to_hex(image.id()));
    return {};
  });
}

osvm_error* osvm_images_unpack(const char* path, const char* public_key, const char* folder,
                               char** out_manifest) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(path);
    OSVM_REQUIRE(folder);
    OSVM_TRY(const auto image, open_signed(path, public_key));
    const osvm::unique_fd into(::open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!into) return osvm::errno_error(folder);
    OSVM_CHECK(image.unpack(into));
    if (out_manifest) *out_manifest = copy_string(image.manifest_text());
    return {};
  });
}

}  // extern "C"
