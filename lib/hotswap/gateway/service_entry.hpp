// A service of the gateway: its pool, its releases, and what looks after its backends.
#pragma once

#include "hotswap/gateway/watch.hpp"

#include <osvm/hotswap/gateway.hpp>

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace osvm::hotswap::detail {

class service_entry : public std::enable_shared_from_this<service_entry> {
 public:
  using deploy_done = boost::asio::any_completion_handler<void(result<shift_report>)>;

  // `journal`: a file; empty: none.
  static result<std::shared_ptr<service_entry>> make(const executor& ex, const service_config& c,
                                                     const std::string& journal,
                                                     std::function<void(const release_event&)> on_event);
  ~service_entry();

  // The release that the journal names, else the configured one.
  void begin(std::function<void(result<shift_report>)> done);
  // Can it go on with this configuration?
  bool can_become(const service_config& c) const;
  // Other backends are a new release.
  void become(const service_config& c);
  void shift(std::string version, const std::vector<endpoint>& backends, deploy_done done);
  void rollback(deploy_done done);
  void command(service_command what, boost::asio::any_completion_handler<void(result<void>)> done);
  void stop(std::chrono::nanoseconds deadline, std::function<void()> done);
  // For a process that takes over. Errors: errc::busy while a deployment is under way.
  result<void> let_go();
  result<void> take_back();
  // Stops on its own, and keeps itself until then.
  void leave();
  service_status status() const { return service_.status(); }
  const std::shared_ptr<detail::pool>& pool() const noexcept { return pool_; }

 private:
  service_entry(const executor& ex, const service_config& c, std::shared_ptr<detail::pool> p,
                service_options options);
  result<void> begin_watch(const executor& ex);
  release_spec at_once() const;
  void pursue();

  executor ex_;
  boost::asio::steady_timer pause_;  // used by one pursuit at a time
  mutable std::mutex mutex_;         // the next three
  service_config config_;
  bool wanted_ = false;    // the configured release is to be deployed
  bool pursuing_ = false;  // and somebody is at it
  std::shared_ptr<detail::pool> pool_;
  service service_;
  std::shared_ptr<shard> watch_;
  std::shared_ptr<release_store> journal_;  // null: none
};

}  // namespace osvm::hotswap::detail
