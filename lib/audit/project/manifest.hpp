// Cargo.toml, as far as an audit needs it: a flat map from dotted keys to values, each with its line.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::audit {

struct toml_value {
  std::string text;               // of a string: its content; of a list: its first element
  std::vector<std::string> list;  // elements of an array of strings
  std::uint32_t line = 0;
};

struct manifest {
  std::map<std::string, toml_value> values;  // "dependencies.anchor-lang.version"
  bool broken = false;                       // a line could not be read
  const toml_value* find(const std::string& key) const;
  // Names of the dependencies of table `table` ("dependencies").
  std::vector<std::string> names(const std::string& table) const;
};

constexpr std::size_t max_manifest_bytes = 1 << 20;

manifest parse_manifest(std::string_view text);

// The lowest version that a Cargo requirement ("^0.29", ">=1.0, <2") admits, as major*1e6 + minor*1e3 +
// patch; 0 when it cannot be told.
std::uint64_t lowest_version(std::string_view requirement);

// What Cargo.lock says: the versions of each crate ("1.0.0-rc.1"). A file that is none says nothing.
using locked_versions = std::map<std::string, std::vector<std::string>, std::less<>>;
constexpr std::size_t max_lock_bytes = 16 << 20;
locked_versions parse_lock(std::string_view text);

}  // namespace osvm::audit
