// An image as `osvm run` starts it: unpacked, verified on the way, into memory that goes with this process.
#pragma once

#include <osvm/images/image_file.hpp>
#include <osvm/unikernel/instance.hpp>

#include <optional>
#include <string>

#include "private_dir.hpp"

namespace osvm::cli {

bool looks_like_image(const std::string& path);

struct unpacked_image {
  private_dir folder;   // the image's files in "root", its writable folders beside it
  std::string program;  // host path of the entry point, links inside the image followed
  images::manifest info;
};

// Opens, checks the signature (when `key_file` names a PEM public key), unpacks. `options` gets what the
// manifest says: mounts of the tree (read-only but for the writable folders), listeners, environment,
// budgets. Named mounts that it asks for must be in `granted`.
result<unpacked_image> prepare_image(const std::string& path, const std::string& key_file,
                                     const std::vector<std::string>& granted,
                                     unikernel::instance_options& options);

// A small file that names no secret of ours by accident: at most 64 KiB.
result<std::string> read_small_file(const std::string& path);

}  // namespace osvm::cli
