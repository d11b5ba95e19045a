// What can go wrong before a guest runs. What ends a guest later is an exit_report, not an error.
#pragma once

#include <osvm/core/error.hpp>

namespace osvm::unikernel {

enum class errc {
  ok = 0,
  not_an_elf,             // the file does not start with an ELF header
  wrong_architecture,     // not 64-bit little-endian x86-64
  malformed_elf,          // a header or segment contradicts the file or another segment
  bad_loader,             // the loader that a dynamic program names (PT_INTERP) is not granted, or is none
  too_large,              // the image does not fit the limits or the memory budget
  bad_policy,             // a mount, listener or grant is not usable; the context names it
  isolation_unsupported,  // the asked isolation level does not exist in this version or on this host
  arguments_too_long,     // argv and envp exceed the bound
  cannot_snapshot,        // the guest has what a template cannot hold; the context names it
  bad_template,           // a file is no template that can go on here; the context says why
  debugger_unsupported,   // a debugger or a core dump is not possible for this instance
};

const boost::system::error_category& unikernel_category() noexcept;
inline error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), unikernel_category()};
}

}  // namespace osvm::unikernel

template <>
struct boost::system::is_error_code_enum<osvm::unikernel::errc> : std::true_type {};
