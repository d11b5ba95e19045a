// What is audited: folders walked, crates found, sources read and parsed.
#pragma once

#include <osvm/core/error.hpp>

#include <functional>

#include "audit/project/manifest.hpp"
#include "audit/syntax/parse.hpp"

namespace osvm::audit {

struct crate {
  std::string name;
  std::string dir;               // on this machine, without a slash at the end
  std::string manifest_display;  // "programs/x/Cargo.toml"; empty without a manifest
  manifest cargo;
  std::vector<std::uint32_t> files;        // those that the module tree reaches, the root first
  std::vector<std::uint32_t> members;      // all below its folder
  std::vector<std::uint32_t> path_crates;  // crates of this project that it depends on
  bool known = false;                      // its result is there already: not parsed, not judged
  std::uint32_t unreached = 0;             // members that its module tree does not name
  bool program = false;                    // an on-chain program: what is judged
  bool overflow_checks = false;            // effective in the release profile of the workspace's root
  std::uint32_t profile_line = 0;
  std::string workspace_display;            // manifest of the workspace's root
  std::uint64_t anchor = 0, spl_token = 0;  // lowest versions by the manifest, 0 unknown
  const locked_versions* lock = nullptr;    // of the workspace; null without a Cargo.lock
};

struct project {
  std::string root;
  std::deque<source_file> files;
  std::deque<crate> crates;
  std::map<std::string, locked_versions> locks;  // by folder
  std::string manifests;                         // the text of all of them, and of the lock files
  std::uint32_t unreached = 0;                   // parsed, but no module tree names them
};

struct project_options {
  parse_limits limits;
  unsigned threads = 2;
  std::size_t max_files = 50'000;
  std::uint64_t max_bytes = std::uint64_t{1} << 30;
  unsigned max_depth = 40;
  // Asked once for each crate when everything is read and nothing parsed: is its result there already?
  std::function<bool(const project&, const crate&)> known;
  // Called for those that need no parsing then: fills in what parsing would have (program, unreached, and the
  // facts of its members).
  std::function<void(project&, crate&)> restore;
};

// Crates whose sources count for `c`: itself and what it depends on in this project, in order.
std::vector<const crate*> with_path_crates(const project& p, const crate& c);

// Fails when `path` cannot be read; single files that cannot are part of the project, with their state.
result<void> load_project(const std::string& path, const project_options& options, project& out);

// Runs work(i) for i in [0, n) on up to `threads` threads.
void for_each_parallel(std::size_t n, unsigned threads,
                       const std::function<void(std::size_t, unsigned)>& work);

}  // namespace osvm::audit
