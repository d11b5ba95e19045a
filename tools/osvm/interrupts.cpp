#include "interrupts.hpp"

#include <atomic>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <mutex>

namespace osvm::cli {

struct interrupts::state : std::enable_shared_from_this<state> {
  state(executor ex, std::function<void(int)> f)
      : signals(std::move(ex), SIGINT, SIGTERM, SIGHUP), call(std::move(f)) {}

  void wait() {
    signals.async_wait([self = shared_from_this()](const boost::system::error_code& ec, int number) {
      const std::lock_guard lock(self->mutex);
      if (ec || self->ended) return;
      int none = 0;
      self->first.compare_exchange_strong(none, number);
      if (self->call) self->call(number);
      self->wait();
    });
  }

  boost::asio::signal_set signals;
  std::mutex
      mutex;  // guards `call` and `signals`; held while `call` runs, so that none runs after the owner's end
  std::function<void(int)> call;
  bool ended = false;
  std::atomic<int> first{0};
};

interrupts::interrupts(executor ex, std::function<void(int)> on_signal)
    : state_(std::make_shared<state>(std::move(ex), std::move(on_signal))) {
  const std::lock_guard lock(state_->mutex);
  state_->wait();
}

interrupts::~interrupts() {
  const std::lock_guard lock(state_->mutex);
  state_->ended = true;
  boost::system::error_code ignored;
  state_->signals.clear(ignored);
  state_->signals.cancel(ignored);
}

void interrupts::disarm() {
  const std::lock_guard lock(state_->mutex);
  state_->call = nullptr;
}

int interrupts::received() const noexcept {
  return state_->first;
}

}  // namespace osvm::cli
