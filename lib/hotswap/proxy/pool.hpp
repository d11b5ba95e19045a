// A service as the data path sees it: what it is routed to, how that is spread over backends, and the budget
// for trying again. Shared by the listeners that route to it and by the release engine.
#pragma once

#include "hotswap/proxy/retry_budget.hpp"
#include "hotswap/proxy/target.hpp"

#include <osvm/core/runtime.hpp>
#include <osvm/hotswap/proxy.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace osvm::hotswap::detail {

class front;
class proxy_state;
class shard;

class pool : public std::enable_shared_from_this<pool> {
 public:
  explicit pool(executor control, pool_options o) : options(std::move(o)), control_(std::move(control)) {}

  // Errors of the first four: hotswap::errc::bad_endpoint, errc::closed.
  result<std::uint64_t> shift(release_target t);
  // The same in steps, for the release engine: a target that is not routed to yet; all traffic to it; a share
  // of the traffic.
  result<std::shared_ptr<target>> introduce(release_target t);
  result<void> route(const std::shared_ptr<target>& t);
  result<void> give_share(const std::shared_ptr<target>& t, std::uint32_t share);
  // Routes to nothing.
  void unroute();
  void drain(std::shared_ptr<target> t, std::chrono::nanoseconds deadline,
             boost::asio::any_completion_handler<void(result<drain_report>)> handler);

  // A listener that routes here.
  void attach(const std::shared_ptr<proxy_state>& user);
  // The listeners' parts that are alive.
  std::vector<std::pair<std::shared_ptr<shard>, front*>> parts() const;
  std::vector<backend_status> backends() const;

  const pool_options options;
  router routes;
  retry_budget budget;

 private:
  result<void> open() const;
  void after_shift();
  std::vector<std::shared_ptr<proxy_state>> users() const;

  executor control_;
  std::mutex shifting_;
  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<proxy_state>> users_;
};

}  // namespace osvm::hotswap::detail
