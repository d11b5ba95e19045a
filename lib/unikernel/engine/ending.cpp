#include "unikernel/engine/ending.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace osvm::unikernel {

void ending::decide(exit_report report) {
  const std::scoped_lock lock(lock_);
  if (!report_) report_ = std::move(report);
}

std::optional<exit_report> ending::decided() const {
  const std::scoped_lock lock(lock_);
  return report_;
}

void ending::finish() {
  std::vector<engine::wait_handler> handlers;
  exit_report report;
  {
    const std::scoped_lock lock(lock_);
    done_ = true;
    report = *report_;
    handlers.swap(handlers_);
    changed_.notify_all();
  }
  for (auto& h : handlers) complete(std::move(h), report);
}

void ending::wait_finished() {
  std::unique_lock lock(lock_);
  changed_.wait(lock, [this] { return done_; });
}

void ending::complete(engine::wait_handler handler, exit_report report) {
  boost::asio::post(executor_, [h = std::move(handler), r = std::move(report), events = events_]() mutable {
    if (events) events->drain();
    std::move(h)(result<exit_report>(std::move(r)));
  });
}

void ending::wait_async(engine::wait_handler handler) {
  exit_report r;
  {
    const std::scoped_lock lock(lock_);
    if (!done_) {
      handlers_.push_back(std::move(handler));
      return;
    }
    r = *report_;
  }
  complete(std::move(handler), std::move(r));
}

result<exit_report> ending::wait(std::chrono::nanoseconds timeout) {
  std::unique_lock lock(lock_);
  const auto far = std::chrono::hours(24 * 365);
  const auto until = std::chrono::steady_clock::now() + std::min<std::chrono::nanoseconds>(timeout, far);
  if (!changed_.wait_until(lock, until, [this] { return done_; })) {
    return error(osvm::errc::timed_out, "the guest is still running");
  }
  exit_report report = *report_;
  lock.unlock();
  if (events_) events_->drain();
  return report;
}

}  // namespace osvm::unikernel
