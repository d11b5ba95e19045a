// What the table of handlers cannot say by itself: which calls are served in part, and why others are
// refused. docs/syscalls.md is made of this, of the table and of the conformance programs.
#pragma once

#include <cstdint>
#include <span>

namespace osvm::unikernel {

enum class call_support : std::uint8_t {
  partly,   // served; `text` says what is missing
  refused,  // a named refusal (counted) or a fixed error; `text` says why
};

struct call_note {
  const char* name;
  call_support support;
  const char* text;
};

std::span<const call_note> call_notes() noexcept;
const call_note* find_note(const char* name) noexcept;

}  // namespace osvm::unikernel
