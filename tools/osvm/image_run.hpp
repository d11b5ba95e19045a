// An image as `osvm run` starts it.
#pragma once

#include <osvm/images/run.hpp>

#include <string>

namespace osvm::cli {

bool looks_like_image(const std::string& path);

struct prepared_image {
  unikernel::image program;
};

// Opens, checks the signature (when `key_file` names a PEM public key), and puts what the manifest says into
// `options`.
result<prepared_image> prepare_image(const std::string& path, const std::string& key_file,
                                     const images::run_options& how, unikernel::instance_options& options);

// A small file that names no secret of ours by accident: at most 64 KiB.
result<std::string> read_small_file(const std::string& path);

}  // namespace osvm::cli
