// Templates as files: docs/formats/template.md.
#pragma once

#include "unikernel/snapshot/disk/template_fields.hpp"

#include <osvm/core/error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace osvm::unikernel {

using digest = std::array<std::byte, 32>;  // BLAKE3

inline constexpr std::uint32_t template_abi = 1;
inline constexpr std::size_t template_header_size = 256;

struct template_header {
  std::uint32_t abi = template_abi;
  std::uint64_t state_size = 0;
  std::uint64_t program_at = 0, program_size = 0;
  std::uint64_t pages_at = 0, pages_size = 0;
  digest cpu{}, state{}, program{}, pages{};
};

std::string encode_header(const template_header& h);
// Errors: errc::bad_template with what is wrong. Offsets and sizes are within bounds that make sense, not yet
// within the file.
result<template_header> decode_header(std::string_view bytes);

// What a guest sees of the CPU: equal on hosts on which a template may go on.
digest cpu_fingerprint(const kvm::host_facts& facts);

// The state of a template that can be written; errc::cannot_snapshot names what cannot.
result<template_state> describe_template(const saved_instance& saved);
// The opposite, without pages and program. `state` comes from a file: every number is checked that memory
// safety or another part relies on. errc::bad_template.
result<std::string> encode_state(template_state& state);
result<template_state> decode_state(std::string_view bytes);
// `pages` is the size of the pages' file.
result<void> check_state(const template_state& state, std::uint64_t pages, std::uint64_t program);

// Into an empty file, whose position is moved. Errors: as describe_template(), or an errno.
result<void> write_template(int file, const saved_instance& saved);
// From a file's beginning. Its content is copied, so that what happens to the file later does not matter.
result<std::shared_ptr<const saved_instance>> read_template(int file, const kvm::host_facts& facts);

error bad_template(std::string what);

}  // namespace osvm::unikernel
