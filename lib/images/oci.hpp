// OCI image layouts: which layers make the root file system of the one image in a folder.
#pragma once

#include <osvm/images/error.hpp>

#include <string>
#include <vector>

namespace osvm::images {

bool is_oci_layout(const std::string& folder);
// Paths of the layers' archives, lowest first; every blob on the way has the SHA-256 that names it.
result<std::vector<std::string>> oci_layers(const std::string& folder);

}  // namespace osvm::images
