// Numbers that have names: flags and enumerations of system-call arguments, errno and signal names.
#pragma once

#include "unikernel/trace/calls.hpp"

#include <cstdint>
#include <string>

namespace osvm::unikernel {

// Appends `value` as `kind` reads, for example "O_RDONLY|O_CLOEXEC"; bits without a name are appended as a
// number. False: the kind has no words.
bool append_words(std::string& out, argument_kind kind, std::uint64_t value);
// "ENOENT", or null.
const char* errno_name(int error) noexcept;
// "SIGTERM", or null.
const char* signal_name(int number) noexcept;
// "S_IFREG", for a mode's type bits, or null.
const char* file_type_name(std::uint32_t mode) noexcept;

}  // namespace osvm::unikernel
