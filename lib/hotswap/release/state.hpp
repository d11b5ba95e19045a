// The release engine: carries out what release_machine orders, one deployment at a time, all of it on one
// shard, so that no step can overlap another.
#pragma once

#include "hotswap/io/shard.hpp"
#include "hotswap/proxy/state.hpp"
#include "hotswap/release/journal.hpp"
#include "hotswap/release/machine.hpp"
#include "hotswap/release/prober.hpp"

#include <osvm/hotswap/release.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

namespace osvm::hotswap::detail {

class deployment;

// An instance that the source has started and that is not being stopped yet.
struct running_instance {
  std::shared_ptr<lease> held;
  std::string version;
  std::uint64_t attempt = 0;
  std::shared_ptr<target> routed;  // null before it was routed to
  std::chrono::nanoseconds stop_deadline{0};
};
using instance_ptr = std::shared_ptr<running_instance>;

using deploy_handler = boost::asio::any_completion_handler<void(result<shift_report>)>;
using stop_handler = boost::asio::any_completion_handler<void(result<drain_report>)>;
using command_handler = boost::asio::any_completion_handler<void(result<void>)>;

class service_state : public std::enable_shared_from_this<service_state> {
 public:
  // What a deployment is begun for.
  enum class purpose : std::uint8_t { deploy, recover, rollback };

  service_state(executor ex, std::shared_ptr<pool> front, std::shared_ptr<instance_source> source,
                service_options options);

  void deploy(purpose why, release_spec spec, deploy_handler handler);
  void stop(std::chrono::nanoseconds deadline, stop_handler handler);
  void command(service_command what, std::string why, command_handler handler);
  void abandon() noexcept;
  service_status status() const;

  // The rest: only on the shard.

  // Tells the machine and carries out what it orders. False: it does not take that now.
  bool feed(input in, std::string why = {});
  const release_machine& machine() const noexcept { return machine_; }
  std::string version_of(std::uint64_t attempt) const;
  void add_instance(const instance_ptr& i);
  instance_ptr instance(std::uint64_t attempt) const;
  // No longer among the instances: whoever takes it stops it.
  instance_ptr take_instance(std::uint64_t attempt);
  // Stops without waiting.
  void discard(const instance_ptr& i);
  // Gives `to` its share; wholly: it is active from then on.
  result<void> route(const instance_ptr& to, std::uint32_t share);
  // The reply comes as input saved or not_saved, by way of `answer`.
  void save(std::function<void(result<void>)> answer);
  void ended(deployment& d);

  const executor ex;
  const std::shared_ptr<pool> front;
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
  result<void> check_spec(const release_spec& spec) const;
  void begin_deploy(purpose why, release_spec spec, deploy_handler handler);
  void begin_loaded(purpose why, release_spec spec, deploy_handler handler);
  void load(std::function<void(result<void>)> then);
  result<void> loaded(const result<std::optional<std::string>>& text);
  void roll_back(release_spec base, deploy_handler handler);
  void launch(release_spec spec, bool again, deploy_handler handler);
  void begin_stop(std::chrono::nanoseconds deadline, stop_handler handler);
  void give_up(const char* why);
  void carry_out(order& o);
  void tell(std::uint64_t attempt, release_state to, std::string reason);
  void unroute();
  void go_back(const instance_ptr& to);
  void lost(const instance_ptr& i, std::string reason);
  void publish();
  void remember_only_named();
  executor blocking() const { return options_.store_executor ? options_.store_executor : ex; }

  service_options options_;
  boost::asio::strand<executor> events_;
  release_machine machine_;
  std::map<std::uint64_t, release_spec> known_;      // that the ledger names, or are under way
  std::map<std::uint64_t, instance_ptr> instances_;  // that are not being stopped
  instance_ptr active_;
  deployment* deployment_ = nullptr;
  bool stopping_ = false;
  bool loaded_ = false;
  bool loading_ = false;
  double share_ = 0;
  mutable std::mutex mutex_;
  service_status status_;
  std::shared_ptr<bool> ended_ = std::make_shared<bool>(false);
};

}  // namespace osvm::hotswap::detail
