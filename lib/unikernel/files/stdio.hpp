// The guest's descriptors 0, 1 and 2.
#pragma once

#include "unikernel/instance_state.hpp"

namespace osvm::unikernel {

struct stdio;

// Puts the three standard descriptors into the instance's table. Error context names the descriptor.
result<void> set_up_stdio(instance_state& instance, process_state& process, const stdio& input,
                          const stdio& output, const stdio& error);

}  // namespace osvm::unikernel
