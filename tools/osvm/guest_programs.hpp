// What is built and installed with osvm beside its program: guest programs and data.
#pragma once

#include <osvm/core/error.hpp>

#include <string>

namespace osvm::cli {

// The path of `name`: beside the executable in a build tree (<bin>/../guest) or in an installation
// (<prefix>/libexec/osvm/guest). errc::not_found says where it looked.
result<std::string> find_guest(const std::string& name);

// The path of the program that runs one instance for the library: <prefix>/libexec/osvm/osvm-worker.
result<std::string> find_worker();

// The path of another such program: <prefix>/libexec/osvm/<name>.
result<std::string> find_helper(const std::string& name);

// The path of the folder `name` of what comes with osvm as data: <prefix>/share/osvm/<name>.
result<std::string> find_shared(const std::string& name);

}  // namespace osvm::cli
