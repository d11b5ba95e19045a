#include <osvm/hotswap/release.hpp>

#include "hotswap/io/complete.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace osvm::hotswap {
namespace {

// An instance that somebody else runs: it is never known to be lost.
class endpoint_lease final : public lease {
 public:
  explicit endpoint_lease(std::vector<endpoint> all) : all_(std::move(all)) {}
  const endpoint& where() const noexcept override { return all_.front(); }
  std::vector<endpoint> also() const override { return {all_.begin() + 1, all_.end()}; }
  void async_lost(boost::asio::any_completion_handler<void(std::string)> handler) override {
    std::lock_guard lock(mutex_);
    handler_.emplace(std::move(handler));  // not assigned: that is broken in Boost 1.81
  }

 private:
  std::vector<endpoint> all_;
  std::mutex mutex_;
  std::optional<boost::asio::any_completion_handler<void(std::string)>> handler_;
};

class endpoint_source final : public instance_source {
 public:
  explicit endpoint_source(executor ex) : ex_(std::move(ex)) {}

  void async_start(
      const release_spec& spec, std::stop_token,
      boost::asio::any_completion_handler<void(result<std::shared_ptr<lease>>)> handler) override {
    detail::complete(ex_, std::move(handler), lease_of(spec.artifact));
  }
  void async_stop(std::shared_ptr<lease>, std::chrono::nanoseconds,
                  boost::asio::any_completion_handler<void(result<void>)> handler) override {
    detail::complete(ex_, std::move(handler), result<void>());
  }

 private:
  static result<std::shared_ptr<lease>> lease_of(std::string_view text) {
    std::vector<endpoint> all;
    for (;;) {
      const auto n = std::min(text.find('\n'), text.size());
      OSVM_TRY(auto where, parse_endpoint(text.substr(0, n)));
      all.push_back(std::move(where));
      if (n == text.size()) break;
      text.remove_prefix(n + 1);
    }
    return std::shared_ptr<lease>(std::make_shared<endpoint_lease>(std::move(all)));
  }

  executor ex_;
};

}  // namespace

std::shared_ptr<instance_source> make_endpoint_source(executor ex) {
  return std::make_shared<endpoint_source>(std::move(ex));
}

}  // namespace osvm::hotswap
