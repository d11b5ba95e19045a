// How many system calls other ways of isolating let a program make, as they say themselves.
#pragma once

#include <osvm/core/error.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace osvm::cli::bench {

// Calls of x86-64 that a container engine's seccomp list (JSON) allows without extra capabilities.
// errc::not_found without the file.
result<std::size_t> container_default_calls(const std::string& path);
// The same for the text of such a list.
result<std::size_t> count_allowed_calls(std::string_view seccomp_json);

// Calls that gVisor implements, wholly or in part: what `runsc syscalls` prints. errc::not_found likewise.
result<std::size_t> gvisor_calls();
result<std::size_t> count_implemented_calls(std::string_view runsc_json);

}  // namespace osvm::cli::bench
