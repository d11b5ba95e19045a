// The error vocabulary of every module: a code that programs compare and a context that people read.
// Expected failures are values (`result<T>`); `.value()` on a failed result throws `osvm::exception`.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <cerrno>
#include <stdexcept>
#include <string>

namespace osvm {

using error_code = boost::system::error_code;

// Failures that no module owns. Each module adds an `errc` of its own with the same machinery.
enum class errc {
  ok = 0,
  unsupported,       // this host or this version cannot do it; the context says what is missing
  invalid_argument,  // the caller's input is wrong; the context names the field
  limit_exceeded,    // a documented bound on size, depth or count was passed
  malformed,         // foreign bytes do not follow their format
  truncated,         // foreign bytes end too early
  timed_out,         // the deadline came first
  cancelled,         // the caller withdrew the operation
  not_found,         // the named thing does not exist
  denied,            // policy or permissions forbid it
  busy,              // another operation holds the thing; try again after it ends
  closed,            // the object has ended
};

const boost::system::error_category& core_category() noexcept;
inline error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), core_category()};
}

// A failure: `code` for programs, `context` for people (what was tried, on what, what to try next).
// Text from guests, peers or files never enters `context` unescaped.
struct error {
  error_code code;
  std::string context;

  error() = default;
  error(error_code c, std::string ctx = {}) : code(c), context(std::move(ctx)) {}
  template <class E>
  requires boost::system::is_error_code_enum<E>::value error(E e, std::string ctx = {})
      : code(make_error_code(e)), context(std::move(ctx)) {}

  // "context: message (category:value)", or without the context when it is empty.
  std::string to_string() const;
};

// The current (or given) errno as an error.
inline error errno_error(std::string context, int e = errno) {
  return {error_code(e, boost::system::system_category()), std::move(context)};
}

// What `.value()` throws. Caught at the edges: C ABI, Python, thread and coroutine entry points.
class exception : public std::runtime_error {
 public:
  explicit exception(error e) : std::runtime_error(e.to_string()), error_(std::move(e)) {}
  const osvm::error& get() const noexcept { return error_; }

 private:
  osvm::error error_;
};

[[noreturn]] void throw_exception_from_error(const error& e, const boost::source_location& where);

template <class T = void>
using result = boost::system::result<T, error>;

}  // namespace osvm

template <>
struct boost::system::is_error_code_enum<osvm::errc> : std::true_type {};

// OSVM_TRY(auto x, expr): x = the value of expr, or return its error from this function.
#define OSVM_CONCAT_(a, b) a##b
#define OSVM_CONCAT(a, b) OSVM_CONCAT_(a, b)
#define OSVM_TRY_(tmp, decl, ...)          \
  auto tmp = (__VA_ARGS__);                \
  if (!tmp) return std::move(tmp).error(); \
  decl = std::move(tmp).value()
#define OSVM_TRY(decl, ...) OSVM_TRY_(OSVM_CONCAT(osvm_try_, __LINE__), decl, __VA_ARGS__)
// OSVM_CHECK(expr): return the error of a result whose value is not needed.
#define OSVM_CHECK(...)                                                                        \
  do {                                                                                         \
    if (auto osvm_check_ = (__VA_ARGS__); !osvm_check_) return std::move(osvm_check_).error(); \
  } while (0)
