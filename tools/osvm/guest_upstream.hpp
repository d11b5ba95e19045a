// What a server in a VM is told of its upstream, and what it may connect to and read for it.
#pragma once

#include <osvm/unikernel/policy.hpp>

#include <string>
#include <vector>

namespace osvm::cli {

struct guest_upstream {
  std::vector<std::string> arguments;
  std::vector<unikernel::connect_grant> connect;
  std::vector<unikernel::mount> mounts;
};

}  // namespace osvm::cli
