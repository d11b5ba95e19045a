// Who tidies up behind a worker that outlives its creator: nobody else is sure to be there when it ends, and
// the worker itself can neither remove its own control group nor, once in its jail, see it.
#pragma once

#include <osvm/core/unique_fd.hpp>

#include <span>
#include <string>
#include <vector>

namespace osvm::unikernel {

inline constexpr const char* keeper_option = "--keep";

// The arguments behind it: sockets, then groups.
std::vector<std::string> keeper_arguments(const std::vector<std::string>& sockets,
                                          const std::vector<std::string>& groups);

// Of the keeper's process: waits for the end of the process that the handle stands for, then removes what the
// arguments name. Returns its exit status.
int keep(unique_fd process, std::span<char* const> arguments);

}  // namespace osvm::unikernel
