// Which parts of a request are answered here and which by the upstream. Sans I/O.
#pragma once

#include "call.hpp"

#include <string>
#include <vector>

namespace osvm::ledger {

// A request or batch whose answers come from two places.
struct rpc_plan {
  struct part {
    std::string id;       // JSON
    std::string method;   // for what is forwarded
    std::string request;  // not empty: to be forwarded
    std::string answer;   // not empty: done; empty without a request: a notification, which has none
  };
  bool batch = false;
  std::vector<part> parts;
  std::size_t held = 0;  // bytes of answers of the upstream

  std::size_t missing() const noexcept;
  // What the client gets, once nothing is missing: its size, and itself. Taking it empties the plan.
  std::size_t answer_size() const noexcept;
  void append_answer(std::string& out);
};

// What is forwarded to the upstream: what is not served here, and what only a live node can know.
bool wants_upstream(const rpc_service::impl& at, std::string_view method) noexcept;
// The error for such a method without an upstream; nothing for methods that nobody knows.
std::optional<rpc_error> upstream_missing(std::string_view method);

// `body` taken apart; nothing when all of it is answered here (then rpc_service::handle() does it).
std::optional<rpc_plan> plan_forwarding(const rpc_service::impl& at, std::string_view body);
// The answer of the upstream to a part of the plan: JSON that carries its id, or an error in its place.
std::string checked_answer(const rpc_plan::part& p, std::string text);
std::string upstream_failure(const rpc_plan::part& p, std::string_view why);

// service.cpp
const rpc_method* find_method(std::string_view name);
std::string answer_one(const rpc_service::impl& at, const json::value& request);
std::string envelope(const answer& a, const std::string& id);

}  // namespace osvm::ledger
