#include "hotswap/gateway/backend_drain.hpp"

#include <boost/asio/post.hpp>

#include <utility>

namespace osvm::hotswap::detail {

std::uint64_t backend_drain::left() const noexcept {
  std::uint64_t n = 0;
  for (const auto& p : where_) n += p.count().load();
  return n;
}

void backend_drain::begin(std::chrono::nanoseconds deadline) {
  timer_.expires_after(deadline);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
    if (!ec) self->finish();
  });
  wait();
}

// The first place that is busy is waited for, then all are looked at again. Not on the stack of whoever left
// last, which is in the middle of a request. A place keeps nothing alive of a drain that has ended.
void backend_drain::wait() {
  for (const auto& p : where_) {
    if (p.count().load() == 0) continue;
    return p.count().when_idle([ex = ex_, me = weak_from_this()] {
      boost::asio::post(ex, [me] {
        if (const auto self = me.lock()) self->wait();
      });
    });
  }
  finish();
}

void backend_drain::finish() {
  handler done;
  {
    std::lock_guard lock(mutex_);
    done = std::exchange(done_, nullptr);
  }
  if (!done) return;
  boost::asio::post(ex_, [self = shared_from_this()] { self->timer_.cancel(); });
  done(left());
}

}  // namespace osvm::hotswap::detail
