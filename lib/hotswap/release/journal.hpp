// The journal of a service as bytes: the ledger, with what is needed to deploy the releases in it again.
// docs/formats/release-journal.md is its grammar. The reader takes foreign bytes: bounded, strict, all or
// nothing.
#pragma once

#include "hotswap/release/machine.hpp"

#include <map>
#include <string>
#include <string_view>

namespace osvm::hotswap::detail {

struct release_name {
  std::string version, artifact;
  bool operator==(const release_name&) const = default;
};

struct journal {
  ledger marks;
  std::map<std::uint64_t, release_name> releases;  // those that `marks` names
  bool operator==(const journal&) const = default;
};

std::string write_journal(const journal& j);
// Errors: errc::malformed, errc::truncated, errc::limit_exceeded, errc::unsupported (a later version).
result<journal> read_journal(std::string_view text);
inline constexpr std::size_t max_journal = 64 * 1024;
inline constexpr std::size_t max_release_text = 4096;  // of a version, of an artifact

}  // namespace osvm::hotswap::detail
