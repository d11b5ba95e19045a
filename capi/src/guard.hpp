// The edge between C and C++: nothing thrown inside leaves a guarded call, and failures become osvm_error.
#pragma once

#include <osvm.h>
#include <osvm/core/error.hpp>

#include <chrono>
#include <exception>
#include <new>
#include <string>
#include <string_view>

struct osvm_error {
  std::string domain;
  std::int32_t code = 0;
  std::string message;
};

namespace osvm::capi {

// Never throws: when memory for the error itself is missing, a static error that `_free` leaves alone.
osvm_error* make_error(const error& e) noexcept;
osvm_error* out_of_memory() noexcept;
osvm_error* unexpected(const char* what) noexcept;

// Runs `body`, which returns result<void>, and turns every way in which it can fail into an osvm_error.
template <class F>
osvm_error* guard(F&& body) noexcept {
  try {
    const result<void> r = body();
    return r ? nullptr : make_error(r.error());
  } catch (const exception& e) {
    return make_error(e.get());
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::exception& e) {
    return unexpected(e.what());
  } catch (...) {
    return unexpected("an exception of unknown type");
  }
}

inline error null_argument(const char* name) {
  return {errc::invalid_argument, std::string("argument '") + name + "' is null"};
}

// Copies text into memory that osvm_string_free() releases, with a NUL behind it. Throws std::bad_alloc.
char* copy_string(std::string_view text);

// A C deadline as the C++ API takes it. "Forever" is a century, which fits every clock.
inline std::chrono::nanoseconds timeout_of(std::int64_t ms) noexcept {
  constexpr std::int64_t century_ms = std::int64_t{100} * 365 * 24 * 3600 * 1000;
  return std::chrono::milliseconds(ms < 0 || ms > century_ms ? century_ms : ms);
}

}  // namespace osvm::capi

// OSVM_REQUIRE(pointer): return the null-argument error that names it.
#define OSVM_REQUIRE(pointer) \
  if (!(pointer)) return ::osvm::capi::null_argument(#pointer)
