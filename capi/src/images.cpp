// osvm_images.h over osvm/images.
#include <osvm_images.h>

#include <osvm/images/build.hpp>
#include <osvm/images/run.hpp>

#include "guard.hpp"
#include "handles.hpp"
#include "versioned.hpp"

#include <fcntl.h>

namespace im = osvm::images;
using namespace osvm::capi;

struct osvm_images_image {
  std::shared_ptr<const im::image_tree> tree;
  std::string id, manifest;
};

namespace {

static_assert(static_cast<int>(im::errc::bad_key) == OSVM_IMAGES_BAD_KEY);
static_assert(static_cast<int>(im::errc::digest_mismatch) == OSVM_IMAGES_DIGEST_MISMATCH);

osvm::result<im::image_file> open_signed(const char* path, const char* public_key) {
  OSVM_TRY(auto image, im::image_file::open(path));
  if (public_key) OSVM_CHECK(image.verify_signature(public_key));
  return image;
}

osvm::result<im::run_options> run_options_of(const osvm_images_run_options* how) {
  OSVM_TRY(const auto given, read_versioned(how, osvm_images_run_options{}, "osvm_images_run_options"));
  constexpr auto known = static_cast<unsigned>(OSVM_IMAGES_VERIFY_ON_OPEN | OSVM_IMAGES_OWN_BUDGETS);
  if ((given.flags & ~known) != 0)
    return osvm::error(osvm::errc::invalid_argument, "run_options.flags has unknown bits");
  im::run_options out;
  out.verify_first = (given.flags & OSVM_IMAGES_VERIFY_ON_OPEN) == 0;
  out.own_budgets = (given.flags & OSVM_IMAGES_OWN_BUDGETS) != 0;
  if (given.granted_mount_count != 0) OSVM_REQUIRE(given.granted_mounts);
  for (size_t i = 0; i < given.granted_mount_count; ++i) {
    if (!given.granted_mounts[i]) return null_argument("granted_mounts");
    out.granted_mounts.emplace_back(given.granted_mounts[i]);
  }
  return out;
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

osvm_error* osvm_images_open(const char* path, const char* public_key, osvm_images_image** out_image) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(path);
    OSVM_REQUIRE(out_image);
    OSVM_TRY(auto image, open_signed(path, public_key));
    auto id = im::to_hex(image.id());
    std::string manifest(image.manifest_text());
    *out_image =
        new osvm_images_image{im::image_tree::create(std::move(image)), std::move(id), std::move(manifest)};
    return {};
  });
}

const char* osvm_images_id(const osvm_images_image* image) {
  return image ? image->id.c_str() : "";
}
const char* osvm_images_manifest(const osvm_images_image* image) {
  return image ? image->manifest.c_str() : "";
}
void osvm_images_free(osvm_images_image* image) {
  delete image;
}

void osvm_images_run_options_init(osvm_images_run_options* options, uint32_t struct_size) {
  init_versioned(options, struct_size, osvm_images_run_options{});
}

osvm_error* osvm_images_start(osvm_runtime* runtime, const osvm_images_image* image,
                              const osvm_images_run_options* how, const osvm_unikernel_options* more,
                              osvm_unikernel_instance** out_instance) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(runtime);
    OSVM_REQUIRE(image);
    OSVM_REQUIRE(out_instance);
    OSVM_TRY(const auto run, run_options_of(how));
    OSVM_TRY(auto options, instance_options_of(more));
    OSVM_TRY(const auto program, im::prepare_run(image->tree, run, options));
    auto shared = runtime->shared;
    OSVM_TRY(auto instance,
             osvm::unikernel::instance::create(shared->get_executor(), program, std::move(options)));
    *out_instance = new osvm_unikernel_instance{std::move(shared), std::move(instance)};
    return {};
  });
}

}  // extern "C"
