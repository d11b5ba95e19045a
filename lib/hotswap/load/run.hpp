// A run of the load client: a schedule, a queue of requests that are due, and connections that take them.
#pragma once

#include "hotswap/http1/body.hpp"
#include "hotswap/http1/head.hpp"
#include "hotswap/io/link.hpp"
#include "hotswap/io/outlet.hpp"
#include "hotswap/load/histogram.hpp"
#include "hotswap/load/version_order.hpp"

#include <osvm/hotswap/load_client.hpp>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace osvm::hotswap::detail {

class load_run;

class load_state : public std::enable_shared_from_this<load_state> {
 public:
  load_state(executor e, load_options o)
      : ex(std::move(e)), options(std::move(o)), order(options.initial_version) {}
  void run(boost::asio::any_completion_handler<void(result<load_report>)> handler);
  void stop() noexcept;
  void abandon() noexcept;
  load_report snapshot() const;
  // f(report) under the lock that snapshot() takes.
  template <class F>
  void update(F f) {
    std::lock_guard lock(mutex_);
    f(report_);
  }

  const executor ex;
  const load_options options;
  version_order order;

 private:
  std::atomic<bool> used_{false};
  mutable std::mutex mutex_;
  load_report report_;
  std::weak_ptr<shard> home_;  // kept alive by its own outstanding operation
  std::weak_ptr<load_run*> run_;
};

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

std::string nonce_text(std::uint64_t nonce);

// A request with the places of its nonce left open.
class load_template {
 public:
  load_template(const load_options& o, const load_request& r);
  void write(std::string_view nonce, std::string& request, std::string& expected) const;

 private:
  std::string request_, expected_;
};

// One connection, with at most one request under way.
class load_connection final : public actor {
 public:
  load_connection(shard& s, load_run& run);
  void send(time_point due);

  void on_io(channel&) override { step(); }
  void on_timer(timer& which) override;
  void on_deferred() override { step(); }

 private:
  enum class phase : std::uint8_t { closed, idle, connecting, sending, head, body };
  void step();
  void connected();
  void receive();
  bool take(std::span<char> bytes);
  bool take_head(std::span<char>& bytes);
  void ended();
  void judge();
  void finish(load_class c, std::string text);
  void close();

  load_run& run_;
  link link_;
  timer timeout_;
  outlet out_;
  phase phase_ = phase::closed;
  time_point due_;
  std::uint64_t nonce_ = 0;
  std::int64_t floor_ = 0;  // oldest release that may answer the request under way
  std::int64_t last_ = 0;   // place in the history of the release that answered last on this connection
  std::string buffer_;
  http1::head_scanner scan_;
  http1::body_reader body_;
  unsigned status_ = 0;
  bool close_ = false;
  bool nonce_ok_ = false;
  std::string version_;
  std::string expected_;     // the body of a right answer; empty: not checked
  std::size_t matched_ = 0;  // bytes of it that have come
  bool differs_ = false;
};

class load_run final : public actor {
 public:
  using handler_type = boost::asio::any_completion_handler<void(result<load_report>)>;
  load_run(shard& s, std::shared_ptr<load_state> state, address where, handler_type handler);
  ~load_run() override;

  void begin();
  void on_io(channel&) override {}
  void on_timer(timer& which) override;
  void stop();

  // For the connections.
  void sent() noexcept;
  void opened();
  void done(load_connection& c, time_point due, load_class k, const std::string& version, std::string text);
  std::uint64_t next_nonce() noexcept;
  // Writes the next request with this nonce, and the body that answers it.
  void write_request(std::uint64_t nonce, std::string& out, std::string& expected);
  const load_options& options() const noexcept { return state_->options; }
  version_order& order() noexcept { return state_->order; }
  const address& where() const noexcept { return where_; }
  http1::response_head& head() noexcept { return head_; }
  const std::string& nonce_name() const noexcept { return nonce_name_; }
  const std::string& version_name() const noexcept { return version_name_; }
  std::shared_ptr<load_run*> handle() const noexcept { return alive_; }

 private:
  time_point due(std::uint64_t n) const noexcept;
  void schedule();
  void expire();
  void dispatch();
  void count(time_point due, load_class k, const std::string& version, std::string text);
  void check_end();

  std::shared_ptr<load_state> state_;
  address where_;
  handler_type handler_;
  timer timer_;
  time_point begun_, end_, ended_;
  std::uint64_t scheduled_ = 0;
  std::uint64_t sent_in_time_ = 0;
  std::uint64_t busy_ = 0;
  bool scheduling_ = true;
  std::uint64_t nonce_;
  std::deque<time_point> waiting_;  // due, without a connection yet
  std::deque<load_connection*> free_;
  histogram latencies_;
  http1::response_head head_;
  std::vector<load_template> requests_;  // at least one
  std::size_t next_request_ = 0;
  std::string nonce_name_, version_name_;  // lower case
  std::shared_ptr<load_run*> alive_;
};

}  // namespace osvm::hotswap::detail
