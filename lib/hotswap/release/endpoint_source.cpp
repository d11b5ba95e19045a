#include <osvm/hotswap/release.hpp>

#include "hotswap/io/complete.hpp"

#include <mutex>
#include <optional>

namespace osvm::hotswap {
namespace {

// An instance that somebody else runs: it is never known to be lost.
class endpoint_lease final : public lease {
 public:
  explicit endpoint_lease(endpoint where) : where_(std::move(where)) {}
  const endpoint& where() const noexcept override { return where_; }
  void async_lost(boost::asio::any_completion_handler<void(std::string)> handler) override {
    std::lock_guard lock(mutex_);
    handler_.emplace(std::move(handler));  // not assigned: that is broken in Boost 1.81
  }

 private:
  endpoint where_;
  std::mutex mutex_;
  std::optional<boost::asio::any_completion_handler<void(std::string)>> handler_;
};

class endpoint_source final : public instance_source {
 public:
  explicit endpoint_source(executor ex) : ex_(std::move(ex)) {}

  void async_start(
      const release_spec& spec, std::stop_token,
      boost::asio::any_completion_handler<void(result<std::shared_ptr<lease>>)> handler) override {
    auto where = parse_endpoint(spec.artifact);
    result<std::shared_ptr<lease>> r =
        where ? result<std::shared_ptr<lease>>(std::make_shared<endpoint_lease>(*where))
              : result<std::shared_ptr<lease>>(where.error());
    detail::complete(ex_, std::move(handler), std::move(r));
  }
  void async_stop(std::shared_ptr<lease>, std::chrono::nanoseconds,
                  boost::asio::any_completion_handler<void(result<void>)> handler) override {
    detail::complete(ex_, std::move(handler), result<void>());
  }

 private:
  executor ex_;
};

}  // namespace

std::shared_ptr<instance_source> make_endpoint_source(executor ex) {
  return std::make_shared<endpoint_source>(std::move(ex));
}

}  // namespace osvm::hotswap
