// Runs a coroutine that gives an Outcome (result<T>, or one with another error type) as an asynchronous
// operation: on a strand of its own, cancellable by the handler's slot and by the end of what started it.
#pragma once

#include "net/watchdog.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include <mutex>
#include <set>

namespace osvm::net {

// The operations of one client. Thread-safe.
class operation_set final {
 public:
  struct entry {
    executor strand;
    std::shared_ptr<watchdog> dog;
  };
  // False when there are `most` already, or the client has ended.
  bool add(const std::shared_ptr<entry>& e, std::size_t most) {
    const std::lock_guard lock(mutex_);
    if (ended_ || running_.size() >= most) return false;
    running_.insert(e);
    return true;
  }
  void remove(const std::shared_ptr<entry>& e) {
    const std::lock_guard lock(mutex_);
    running_.erase(e);
  }
  void end_all() {
    std::set<std::shared_ptr<entry>> all;
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      all.swap(running_);
    }
    for (const auto& e : all)
      asio::post(e->strand, [dog = e->dog] { dog->end(watchdog::verdict::cancelled); });
  }

 private:
  std::mutex mutex_;
  std::set<std::shared_ptr<entry>> running_;
  bool ended_ = false;
};

template <class Outcome, class Handler>
void complete(const executor& fallback, Handler&& handler, Outcome outcome) {
  const auto target = asio::get_associated_executor(handler, fallback);
  asio::dispatch(target, [h = std::move(handler), outcome = std::move(outcome)]() mutable {
    std::move(h)(std::move(outcome));
  });
}

// `body(dog)` gives the awaitable, which runs on `strand`; the handler runs on its own executor, or on `ex`.
template <class Outcome, class Handler, class Body>
void run_operation(const executor& ex, const executor& strand, const std::shared_ptr<operation_set>& set,
                   std::size_t most, deadline until, Handler handler, Body body) {
  auto e = std::make_shared<operation_set::entry>();
  e->strand = strand;
  e->dog = std::make_shared<watchdog>(strand, until);
  if (!set->add(e, most)) {
    asio::post(strand, [ex, h = std::move(handler)]() mutable {
      complete<Outcome>(ex, std::move(h), osvm::error(osvm::errc::busy, "too many operations at once"));
    });
    return;
  }
  auto slot = asio::get_associated_cancellation_slot(handler);
  if (slot.is_connected()) {
    // Left there when the operation ends: clearing it from here would race with an emission elsewhere, and a
    // late one finds nothing.
    slot.assign([weak = std::weak_ptr(e)](asio::cancellation_type) {
      if (const auto alive = weak.lock())
        asio::post(alive->strand, [dog = alive->dog] { dog->end(watchdog::verdict::cancelled); });
    });
  }
  auto finish = [ex, set, e, h = std::move(handler)](std::exception_ptr failure, Outcome outcome) mutable {
    e->dog->stop();
    set->remove(e);
    if (failure)
      outcome = osvm::error(boost::system::errc::make_error_code(boost::system::errc::not_enough_memory));
    complete<Outcome>(ex, std::move(h), std::move(outcome));
  };
  auto start = [dog = e->dog, body = std::move(body)]() mutable -> asio::awaitable<Outcome> {
    dog->start();
    co_return co_await body(dog);
  };
  asio::co_spawn(strand, std::move(start), std::move(finish));
}

}  // namespace osvm::net
