// A shard's part of the access log: lines are gathered and handed on many at once.
#pragma once

#include "hotswap/io/shard.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace osvm::hotswap::detail {

struct access_entry {
  std::string_view request;  // the part of the line that is known from the request, as JSON members
  unsigned status = 0;       // 0: none was sent
  std::string_view service, release, backend, end;  // end: how it ended, when not in order
  std::uint64_t received = 0, sent = 0;             // bytes of the client's connection for this request
  std::chrono::nanoseconds took{0};
  unsigned attempts = 0;
};

class access_log final : public actor {
 public:
  using sink = std::function<void(std::string_view)>;
  access_log(shard& s, sink out) : actor(s), out_(std::move(out)), timer_(*this) {}
  ~access_log() override { flush(); }
  void write(const access_entry& e);
  void on_io(channel&) override {}
  void on_timer(timer&) override { flush(); }

 private:
  void flush();
  void add_time();
  sink out_;
  std::string lines_;
  timer timer_;
  std::time_t second_ = 0;
  std::string second_text_;
};

// A member of a JSON object with a comma before it: foreign text is escaped and cut.
void add_member(std::string& out, std::string_view name, std::string_view value);

}  // namespace osvm::hotswap::detail
