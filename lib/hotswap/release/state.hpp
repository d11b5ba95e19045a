// The release engine: one deployment at a time, all of it on one shard, so that no step can overlap another.
#pragma once

#include "hotswap/io/shard.hpp"
#include "hotswap/proxy/state.hpp"
#include "hotswap/release/prober.hpp"

#include <osvm/hotswap/release.hpp>

#include <boost/asio/strand.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

namespace osvm::hotswap::detail {

class deployment;

// An instance that the source has started and that is not stopped yet.
struct running_instance {
  std::shared_ptr<lease> held;
  std::string version;
  std::uint64_t attempt = 0;
  std::uint64_t generation = 0;  // of the proxy; 0 before it was routed to
  std::chrono::nanoseconds stop_deadline{0};
  bool lost = false;
  std::string lost_reason;
};
using instance_ptr = std::shared_ptr<running_instance>;

using deploy_handler = boost::asio::any_completion_handler<void(result<shift_report>)>;
using stop_handler = boost::asio::any_completion_handler<void(result<drain_report>)>;

class service_state : public std::enable_shared_from_this<service_state> {
 public:
  service_state(executor ex, std::shared_ptr<proxy_state> front, std::shared_ptr<instance_source> source,
                service_options options);

  void deploy(release_spec spec, deploy_handler handler);
  void stop(std::chrono::nanoseconds deadline, stop_handler handler);
  void abandon() noexcept;
  std::optional<std::string> active_version() const;

  // The rest: only on the shard.
  void emit(const std::string& version, std::uint64_t attempt, release_state to, std::string reason);
  // Routes to `to` (null: to nothing), with the embedder's hooks around it.
  result<void> route(const instance_ptr& to);
  void set_active(instance_ptr a);
  const instance_ptr& active() const noexcept { return active_; }
  // Watches for its end; tells the deployment, or handles it when there is none.
  void watch(const instance_ptr& i);
  // Stops without waiting.
  void discard(const instance_ptr& i);
  void ended(deployment& d);

  const executor ex;
  const std::shared_ptr<proxy_state> front;
  const std::shared_ptr<instance_source> source;
  // Kept alive by its own outstanding operation only; expired when it could not be made or has ended.
  std::weak_ptr<shard> home;

  // A handler that runs f(state, args...) on the shard, unless the service has ended.
  template <class F>
  auto on_home(F f) {
    return [me = weak_from_this(), f = std::move(f)](auto... args) mutable {
      const auto self = me.lock();
      if (!self) return;
      const auto s = self->home.lock();
      if (!s) return;
      s->post([me, f = std::move(f), ... args = std::move(args)](shard&) mutable {
        if (const auto state = me.lock()) f(*state, std::move(args)...);
      });
    };
  }

 private:
  void begin_deploy(shard& s, release_spec spec, deploy_handler handler);
  void begin_stop(std::chrono::nanoseconds deadline, stop_handler handler);
  void lost(const instance_ptr& i, std::string reason);
  void retire_lost(instance_ptr i);

  service_options options_;
  boost::asio::strand<executor> events_;
  instance_ptr active_;
  deployment* deployment_ = nullptr;
  std::uint64_t attempts_ = 0;
  bool stopping_ = false;
  mutable std::mutex mutex_;
  std::optional<std::string> active_version_;
  std::shared_ptr<bool> ended_ = std::make_shared<bool>(false);
};

}  // namespace osvm::hotswap::detail
