// Waiting until a backend has nothing in flight, or a deadline. No thread waits.
#pragma once

#include "hotswap/proxy/target.hpp"

#include <osvm/core/runtime.hpp>

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

namespace osvm::hotswap::detail {

class backend_drain : public std::enable_shared_from_this<backend_drain> {
 public:
  // The same address may be in two releases.
  struct place {
    std::shared_ptr<target> of;
    backend* at;
    in_flight& count() const noexcept { return of->single() ? of->inflight : at->inflight; }
  };
  // Told how much is left, on the executor or inline.
  using handler = std::function<void(std::uint64_t left)>;

  backend_drain(const executor& ex, std::vector<place> where, handler done)
      : ex_(ex), timer_(ex), where_(std::move(where)), done_(std::move(done)) {}
  void begin(std::chrono::nanoseconds deadline);

 private:
  std::uint64_t left() const noexcept;
  void wait();
  void finish();

  executor ex_;
  boost::asio::steady_timer timer_;
  std::vector<place> where_;
  std::mutex mutex_;
  handler done_;
};

}  // namespace osvm::hotswap::detail
