// Why an image is refused. The context names the entry.
#pragma once

#include <osvm/core/error.hpp>

namespace osvm::images {

enum class errc {
  ok = 0,
  not_an_image,     // does not begin with the magic
  version,          // written by a newer format
  malformed,        // the file contradicts its format or itself
  truncated,        // the file ends before its last part
  too_large,        // a size or count beyond the limits
  bad_path,         // an entry's name is absolute, has "..", is given twice, or its folder is none
  bad_entry,        // an entry that images do not hold: device, FIFO, socket, hard link to nothing
  bad_manifest,     // the manifest; the context has "manifest:line:column"
  digest_mismatch,  // content does not have the SHA-256 that the image says
  not_signed,       // a key is asked for and the image has no signature
  wrong_key,        // signed by another key
  bad_signature,    // the signature does not fit the image
  bad_key,          // the key file is none, or of another kind than Ed25519 and P-256
};

const boost::system::error_category& images_category() noexcept;
inline error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), images_category()};
}

}  // namespace osvm::images

template <>
struct boost::system::is_error_code_enum<osvm::images::errc> : std::true_type {};
