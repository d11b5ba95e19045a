// Policies and named mounts of the command line: where they lie, how they are read and written.
#pragma once

#include <osvm/unikernel/learning.hpp>
#include <osvm/unikernel/policy_file.hpp>

#include <string>
#include <vector>

namespace osvm::cli {

// $XDG_CONFIG_HOME/osvm or ~/.config/osvm; empty where neither is set.
std::string config_folder();
// Where named mounts are kept: mounts.yaml in the folder of the configuration. Fails where there is no such
// folder.
result<std::string> mounts_file();
result<std::vector<unikernel::named_mount>> known_mounts();

// Adds the mounts of these names to `out`.
result<void> add_named_mounts(const std::vector<std::string>& names, unikernel::policy& out);
// Reads --policy FILE.
result<unikernel::policy_file> read_policy_file(const std::string& path, const unikernel::budgets& defaults);
// Writes --learn FILE at once; says on stderr what could not be learned.
result<void> write_learned(const std::string& path, const unikernel::learned_policy& learned,
                           unikernel::learning mode);

}  // namespace osvm::cli
