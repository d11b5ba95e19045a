// What can go wrong when a node is asked something, and what the node itself said.
#pragma once

#include <osvm/core/error.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace osvm::solana {

enum class rpc_errc {
  ok = 0,
  answered,      // the node answered with an error: see rpc_failure::answer
  bad_answer,    // what came is no JSON-RPC answer to what was asked
  http_status,   // the server answered with another status than 200
  rate_limited,  // the server said 429, or our own limit leaves no place before the deadline
  circuit_open,  // the last calls failed; this one was not made
  overrun,       // notifications came faster than they were taken
};

const boost::system::error_category& rpc_category() noexcept;
inline error_code make_error_code(rpc_errc e) noexcept {
  return {static_cast<int>(e), rpc_category()};
}

// A node's error, word for word: foreign text.
struct rpc_answer_error {
  std::int64_t code = 0;
  std::string message;
  std::string data;  // JSON; empty: none
};

struct rpc_failure {
  rpc_failure() = default;
  rpc_failure(osvm::error e) : error(std::move(e)) {}
  rpc_failure(rpc_answer_error a);
  osvm::error error;                         // safe to show
  std::optional<rpc_answer_error> answer{};  // where the node answered
  unsigned attempts = 0;                     // that were made
};

[[noreturn]] void throw_exception_from_error(const rpc_failure& f, const boost::source_location& where);

template <class T>
using rpc_result = boost::system::result<T, rpc_failure>;

}  // namespace osvm::solana

template <>
struct boost::system::is_error_code_enum<osvm::solana::rpc_errc> : std::true_type {};
