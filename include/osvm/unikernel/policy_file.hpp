// Policy as a YAML file: the fields of `policy` and `budgets`, nothing else. docs/formats/policy.md describes
// it.
#pragma once

#include <osvm/core/config.hpp>
#include <osvm/unikernel/policy.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::unikernel {

struct policy_file {
  unikernel::policy granted;
  unikernel::budgets limits;
};

// A grant that was given a name once, and is used by it: `osvm mount add`, `--mount NAME`, `mounts: [NAME]`.
struct named_mount {
  std::string name;  // letters, digits, "-", "_", "."; at most 64, beginning with a letter or digit
  unikernel::mount grant;
};

struct policy_file_options {
  std::string base_dir;                // what relative host paths start from; empty: the working directory
  std::span<const named_mount> named;  // which names `mounts` may use
  policy_file defaults;                // what the document leaves out
};

// Errors: errc::malformed or errc::limit_exceeded with "file:line:column: what is wrong".
result<policy_file> parse_policy(std::string_view text, std::string_view name = "policy",
                                 const policy_file_options& options = {});
// Relative host paths start from the file's folder.
result<policy_file> load_policy(const std::string& path, const policy_file_options& options = {});
// The keys of a policy inside a larger document, for example a manifest: reads those keys of `map` and leaves
// the others.
result<void> read_policy(config_map& map, const policy_file_options& options, policy_file& out);

// The document that parse_policy() reads back to the same value. Grants whose text is not UTF-8 are left out,
// with a comment. `comment` lines stand at the top.
std::string format_policy(const policy_file& file, std::string_view comment = {});

// The document of named mounts; a missing file is an empty list.
result<std::vector<named_mount>> load_mounts(const std::string& path);
// Replaces the file at once (write, sync, rename), mode 0600. Its folder must exist.
result<void> save_mounts(const std::string& path, std::span<const named_mount> mounts);
// Null when there is none.
const named_mount* find_mount(std::span<const named_mount> mounts, std::string_view name) noexcept;
bool valid_mount_name(std::string_view name) noexcept;

// "tcp:80", "vsock:52", and "80" for TCP.
result<listener> parse_listener(std::string_view text);
std::string to_string(const listener& l);

}  // namespace osvm::unikernel
