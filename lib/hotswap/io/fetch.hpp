// One attempt at a service: a connection, or one request on a connection of its own. What probes and warm-ups
// do.
#pragma once

#include "hotswap/http1/body.hpp"
#include "hotswap/http1/head.hpp"
#include "hotswap/io/link.hpp"
#include "hotswap/io/outlet.hpp"

#include <functional>
#include <memory>
#include <string>

namespace osvm::hotswap::detail {

struct fetch_request {
  address where;
  bool http = true;  // false: connect only
  std::string path = "/";
  std::string host = "localhost";
  std::string post{};  // sent by POST, as JSON; empty: GET
  std::chrono::milliseconds timeout{1'000};
  std::size_t keep_body = 0;  // bytes of the body to hand back
};

struct fetch_outcome {
  unsigned status = 0;  // 0: no complete answer
  std::string body;
  std::string failure;  // for people, empty when the attempt went through
};

class fetch final : public actor {
 public:
  using done_function = std::function<void(fetch_outcome)>;
  // Calls `done` once, later, on the shard; not when it was dismissed before.
  static fetch& start(shard& s, fetch_request request, done_function done);
  fetch(shard& s, fetch_request request, done_function done);
  ~fetch() override;

  void on_io(channel&) override { step(); }
  void on_timer(timer& which) override;
  void on_deferred() override { step(); }

 private:
  void step();
  void read_response();
  bool take(std::span<char> bytes);
  bool take_head(std::span<char>& bytes);
  void finish(std::string failure);

  fetch_request request_;
  done_function done_;
  link link_;
  timer timeout_;
  outlet out_;
  bool sent_ = false;
  bool in_body_ = false;
  std::string buffer_;
  http1::head_scanner scan_;
  std::unique_ptr<http1::response_head> head_;
  http1::body_reader body_;
  fetch_outcome outcome_;
};

// No CR, LF, space or other byte that would end a request line or a field.
bool usable_path(std::string_view path) noexcept;
bool usable_host(std::string_view host) noexcept;

}  // namespace osvm::hotswap::detail
