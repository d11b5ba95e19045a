// What a session of a listener with rules, limits, a log or client addresses knows beside its connection. A
// plain proxy's sessions have none.
#pragma once

#include "hotswap/proxy/routing.hpp"

#include <memory>
#include <string>
#include <vector>

namespace osvm::hotswap::detail {

struct session_extra {
  client_address client, local;  // local: where it connected to; known when it was asked for
  std::string client_text;
  bool secure = false;  // came by TLS

  // Of the request that is under way.
  std::shared_ptr<routing> rules;  // keeps `matched`
  const rule* matched = nullptr;
  std::shared_ptr<pool> to;
  std::vector<admission> let_in;
  std::string log;   // JSON members that are known from its head
  std::string body;  // while it is looked into
  std::uint64_t key = 0;
  bool look_into = false;  // it is JSON-RPC: the body decides
  std::uint64_t sent_before = 0, received_before = 0;

  // False: a limit is reached.
  bool admit(const std::shared_ptr<limiter>& l, std::chrono::steady_clock::time_point now) {
    if (!l) return true;
    auto a = l->enter(client, now);
    if (!a) return false;
    let_in.push_back(std::move(a));
    return true;
  }
  void end_request() {
    let_in.clear();
    to.reset();
    matched = nullptr;
    rules.reset();
    log.clear();
    body = std::string();
    look_into = false;
  }
};

}  // namespace osvm::hotswap::detail
