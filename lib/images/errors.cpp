#include <osvm/images/error.hpp>

namespace osvm::images {
namespace {

class category_type final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "osvm.images"; }
  std::string message(int code) const override {
    switch (static_cast<errc>(code)) {
      case errc::ok: return "ok";
      case errc::not_an_image: return "not an osvm image";
      case errc::version: return "the image's format is newer than this program";
      case errc::malformed: return "the image is malformed";
      case errc::truncated: return "the image is cut off";
      case errc::too_large: return "the image exceeds a limit";
      case errc::bad_path: return "a name that an image may not hold";
      case errc::bad_entry: return "a kind of file that an image may not hold";
      case errc::bad_manifest: return "the manifest is not usable";
      case errc::digest_mismatch:
        return "the content does not have its SHA-256: the image was damaged or changed";
      case errc::not_signed: return "the image is not signed";
      case errc::wrong_key: return "the image is signed by another key";
      case errc::bad_signature: return "the signature does not fit the image";
      case errc::bad_key: return "not a usable Ed25519 or P-256 key";
    }
    return "unknown error";
  }
};

}  // namespace

const boost::system::error_category& images_category() noexcept {
  static const category_type instance;
  return instance;
}

}  // namespace osvm::images
