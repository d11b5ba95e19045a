// Making an image file from a folder, a tar archive or an OCI image layout.
#pragma once

#include <osvm/images/image_file.hpp>

#include <string>

namespace osvm::images {

struct build_options {
  std::string source;  // folder, tar (plain, gzip, xz, zstd), or OCI layout (a folder with "oci-layout", or a
                       // tar of it)
  std::string output;  // replaced at once when the image is complete
  std::string manifest;  // YAML text
  image_limits limits;
};

struct build_report {
  digest id{};
  std::uint64_t files = 0, folders = 0, links = 0;
  std::uint64_t bytes = 0;         // of all files
  std::uint64_t stored_bytes = 0;  // once equal files are stored once
};

// Refuses what images do not hold (devices, names that lead out), with the entry's name.
result<build_report> build_image(const build_options& options);

}  // namespace osvm::images
