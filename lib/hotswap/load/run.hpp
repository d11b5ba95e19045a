// A run of the load client: a schedule, a queue of requests that are due, and connections that take them.
#pragma once

#include "hotswap/http1/head.hpp"
#include "hotswap/io/address.hpp"
#include "hotswap/io/shard.hpp"
#include "hotswap/load/histogram.hpp"
#include "hotswap/load/lane.hpp"
#include "hotswap/load/version_order.hpp"
#include "net/tls_connector.hpp"

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

class load_run final : public actor {
 public:
  using handler_type = boost::asio::any_completion_handler<void(result<load_report>)>;
  load_run(shard& s, std::shared_ptr<load_state> state, address where,
           std::shared_ptr<net::tls_connector> connector, handler_type handler);
  ~load_run() override;

  void begin();
  void on_io(channel&) override {}
  void on_timer(timer& which) override;
  void stop();

  // For the connections.
  void sent() noexcept;
  void opened();
  void asked_again();
  void done(load_lane& lane, load_verdict v);
  std::uint64_t next_nonce() noexcept;
  const load_request& next_request() noexcept;
  // Null: clear text.
  const std::shared_ptr<net::tls_connector>& connector() const noexcept { return connector_; }
  const std::string& tls_name() const noexcept { return tls_name_; }
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
  void count(load_verdict v, const std::string& version);
  void check_end();

  std::shared_ptr<load_state> state_;
  address where_;
  std::shared_ptr<net::tls_connector> connector_;
  handler_type handler_;
  timer timer_;
  time_point begun_, end_, ended_;
  std::uint64_t scheduled_ = 0;
  std::uint64_t sent_in_time_ = 0;
  std::uint64_t busy_ = 0;
  bool scheduling_ = true;
  std::uint64_t nonce_;
  std::deque<time_point> waiting_;  // due, without a connection yet
  std::deque<load_lane*> free_;
  histogram latencies_, service_;
  http1::response_head head_;
  std::vector<load_request> requests_;  // at least one
  std::size_t next_request_ = 0;
  std::string nonce_name_, version_name_;  // lower case
  std::string tls_name_;
  std::shared_ptr<load_run*> alive_;
};

}  // namespace osvm::hotswap::detail
