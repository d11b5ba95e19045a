// Values as people write them on the command line. Errors: errc::invalid_argument, with an example.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/unikernel/policy.hpp>
#include <osvm/vsock/endpoint.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace osvm::cli {

result<std::uint64_t> parse_size(std::string_view text);  // "4096", "64KiB", "256MiB", "1GiB"
result<std::chrono::nanoseconds> parse_duration(
    std::string_view text);  // "250us", "500ms", "10s", "2m", "1h"
result<std::uint64_t> parse_count(std::string_view text, std::uint64_t min, std::uint64_t max);

// "HOST:PORT=guest:PORT" (or "PORT=guest:PORT" for 127.0.0.1, or "unix:/path=guest:PORT").
struct publication {
  endpoint host;
  unikernel::listener guest;
};
result<publication> parse_publication(std::string_view text, unikernel::transport kind);

result<unikernel::mount> parse_mount(std::string_view text, bool writable);  // "HOST:GUEST", "PATH" for both
// "K=V", or "K" for the value that the CLI's own environment has.
result<std::string> parse_environment(std::string_view text);

// "1.50 MiB", "3.2 ms": for people.
std::string show_size(std::uint64_t bytes);
std::string show_duration(std::chrono::nanoseconds duration);
std::string show_number(double value);  // three significant digits, thousands as they are

// The same result; an error says which option it is about.
template <class T>
result<T> named(std::string_view option, result<T> value) {
  if (value) return value;
  auto e = std::move(value).error();
  e.context = std::string(option) + " " + e.context;
  return e;
}

}  // namespace osvm::cli
