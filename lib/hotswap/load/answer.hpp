// What one request asks and what its answer is held against, whatever carries them.
#pragma once

#include <osvm/hotswap/load_client.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace osvm::hotswap::detail {

class load_run;

// How a request ended.
enum class load_class : std::uint8_t {
  answered,
  connect,
  write,
  read,
  timeout,
  status,
  truncated,
  wrong_nonce,
  wrong_content,
  misversioned
};

struct load_verdict {
  load_class k = load_class::answered;
  std::string text{};  // of a failure
};

std::string nonce_text(std::uint64_t nonce);
std::string filled(std::string_view text, std::string_view nonce, unsigned n, std::uint64_t size);

// Reads a text/event-stream as its data comes.
class event_reader {
 public:
  // Calls f(data) for each whole event that has data; false from it ends the reading.
  template <class F>
  void take(std::string_view bytes, F f) {
    line_ += bytes;
    for (std::size_t end; (end = line_.find('\n')) != std::string::npos;) {
      std::string_view one(line_.data(), end);
      if (one.ends_with('\r')) one.remove_suffix(1);
      const bool whole = one.empty() && has_data_;
      if (one.starts_with("data:")) {
        one.remove_prefix(one.starts_with("data: ") ? 6 : 5);
        if (has_data_) data_ += '\n';
        data_ += one;
        has_data_ = true;
      }
      line_.erase(0, end + 1);
      if (!whole) continue;
      has_data_ = false;
      if (!f(std::string_view(data_))) return;
      data_.clear();
    }
  }
  std::size_t held() const noexcept { return line_.size() + data_.size(); }
  void clear() { line_.clear(), data_.clear(), has_data_ = false; }

 private:
  std::string line_, data_;
  bool has_data_ = false;
};

// One request at a time, from its nonce to its verdict.
class load_answer {
 public:
  explicit load_answer(load_run& run) : run_(run) {}

  // The run's next request. `from`: the place in the history of the last release that answered where this
  // goes. Before the first byte leaves.
  void begin(std::int64_t from);
  // The same request on another connection.
  void again(std::int64_t from);

  const load_request& request() const noexcept { return *request_; }
  const std::string& nonce() const noexcept { return nonce_; }
  std::uint64_t body_size() const noexcept { return body_size_; }
  // The next bytes of the request's body; 0: all are out.
  std::size_t pull(std::span<char> into) noexcept;

  void head(unsigned status, std::string_view nonce, std::string_view version);
  unsigned status() const noexcept { return status_; }
  void data(std::string_view bytes);
  // All events have come, or a wrong one: the rest is not waited for.
  bool enough() const noexcept { return enough_; }

  // A WebSocket message to send, from 1 on, and what comes back. False: no more are due, or it was wrong.
  std::string message() const;
  bool replied(std::string_view text);

  // The answer is whole, or enough of it.
  load_verdict judge() const;
  const std::string& version() const noexcept { return version_; }
  // In the history of releases; after judge() gave `answered`.
  std::int64_t place() const noexcept;

 private:
  void event(std::string_view data);
  void start(std::int64_t from);

  load_run& run_;
  const load_request* request_ = nullptr;
  std::string nonce_, body_, expected_, version_, echoed_;
  std::uint64_t body_size_ = 0, pulled_ = 0;
  std::int64_t floor_ = 0, from_ = 0;
  unsigned status_ = 0, messages_ = 0;
  std::uint64_t matched_ = 0;
  bool differs_ = false, enough_ = false;
  event_reader events_;
};

}  // namespace osvm::hotswap::detail
