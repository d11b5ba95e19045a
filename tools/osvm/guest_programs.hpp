// The guest programs that are built with osvm: the demo's server and what benches run.
#pragma once

#include <osvm/core/error.hpp>

#include <string>

namespace osvm::cli {

// The path of `name`: beside the executable in a build tree (<bin>/../guest) or in an installation
// (<prefix>/libexec/osvm/guest). errc::not_found says where it looked.
result<std::string> find_guest(const std::string& name);

}  // namespace osvm::cli
