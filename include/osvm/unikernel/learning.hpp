// Learning a policy from a run: what a program used or was denied, as the narrowest policy that grants it.
#pragma once

#include <osvm/unikernel/policy_file.hpp>

#include <string>
#include <vector>

namespace osvm::unikernel {

enum class learning : std::uint8_t {
  off,
  denials,    // grants nothing: what policy denies is what the learned policy adds
  allow_all,  // DANGEROUS: grants all host files (but /proc, /sys and /dev), read and write, all listeners
              // and every named right, and notes what is used of that
};

// What a run would need.
struct learned_policy {
  policy_file policy;              // the run's own grants, or what was used of them, and what was learned
  std::vector<std::string> notes;  // what was asked for and cannot be granted, or was not learned; printable
};

}  // namespace osvm::unikernel
