#include <osvm/vsock/connect.hpp>

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "vsock/connector.hpp"

namespace osvm::vsock {
namespace {

namespace asio = boost::asio;
using clock = std::chrono::steady_clock;
using action = connector::action;

// Pause before asking a full listener again: it has to accept first, which takes far less than this.
constexpr std::chrono::milliseconds retry_pause{1};

error late(const endpoint& where) {
  return {errc::timed_out, "connect to " + to_string(where) + " took too long"};
}

// Waits for what `next` asks. False when the deadline came first.
bool wait_blocking(int fd, action next, clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now());
    if (left.count() <= 0) return false;
    pollfd item{.fd = next == action::retry_later ? -1 : fd,
                .events = static_cast<short>(next == action::wait_readable ? POLLIN : POLLOUT),
                .revents = 0};
    const auto pause = next == action::retry_later ? std::min(retry_pause, left) : left;
    const int ready = ::poll(&item, 1, static_cast<int>(std::min<long long>(pause.count(), 1 << 30)));
    if (ready > 0 || next == action::retry_later) return true;
  }
}

// A descriptor that Asio may watch but must never close, however the waiting coroutine ends.
struct lent_descriptor {
  asio::posix::stream_descriptor descriptor;
  ~lent_descriptor() {
    if (descriptor.is_open()) (void)descriptor.release();
  }
};

asio::awaitable<error_code> wait_async(int fd, action next) {
  error_code ec;
  if (next == action::retry_later) {
    asio::steady_timer pause(co_await asio::this_coro::executor, retry_pause);
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    co_return ec;
  }
  lent_descriptor watch{asio::posix::stream_descriptor(co_await asio::this_coro::executor)};
  watch.descriptor.assign(fd, ec);
  if (ec) co_return ec;
  const auto what = next == action::wait_readable ? asio::posix::descriptor_base::wait_read
                                                  : asio::posix::descriptor_base::wait_write;
  co_await watch.descriptor.async_wait(what, asio::redirect_error(asio::use_awaitable, ec));
  co_return ec;
}

asio::awaitable<result<unique_fd>> run_connector(connector& attempt) {
  for (;;) {
    auto next = attempt.step();
    if (!next) co_return std::move(next).error();
    if (*next == action::done) co_return attempt.take();
    if (const auto ec = co_await wait_async(attempt.fd(), *next)) {
      if (ec == asio::error::operation_aborted) co_return error(errc::cancelled, "connect was cancelled");
      co_return error(ec, "wait for connect");
    }
  }
}

asio::awaitable<result<unique_fd>> connect_with_deadline(endpoint where, std::chrono::milliseconds timeout) {
  using namespace asio::experimental::awaitable_operators;
  co_await asio::this_coro::throw_if_cancelled(false);
  connector attempt(where);  // outlives both branches: the loser's wait still holds its descriptor
  asio::steady_timer deadline(co_await asio::this_coro::executor, timeout);
  error_code ignored;
  auto first = co_await (run_connector(attempt) ||
                         deadline.async_wait(asio::redirect_error(asio::use_awaitable, ignored)));
  if (first.index() == 0) co_return std::get<0>(std::move(first));
  if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) {
    co_return error(errc::cancelled, "connect was cancelled");
  }
  co_return late(where);
}

}  // namespace

void start_connect(executor ex, endpoint where, std::chrono::milliseconds timeout, connect_handler handler) {
  const auto slot = asio::get_associated_cancellation_slot(handler);
  auto done = [ex, h = std::move(handler)](std::exception_ptr failure, result<unique_fd> outcome) mutable {
    if (failure)
      outcome = error(boost::system::errc::make_error_code(boost::system::errc::not_enough_memory));
    auto target = asio::get_associated_executor(h, ex);
    asio::dispatch(target, [h = std::move(h), outcome = std::move(outcome)]() mutable {
      std::move(h)(std::move(outcome));
    });
  };
  asio::co_spawn(ex, connect_with_deadline(std::move(where), timeout),
                 asio::bind_cancellation_slot(slot, std::move(done)));
}

result<unique_fd> connect_endpoint(const endpoint& where, std::chrono::milliseconds timeout) {
  const auto deadline = clock::now() + timeout;
  connector attempt(where);
  for (;;) {
    OSVM_TRY(const auto next, attempt.step());
    if (next == action::done) return attempt.take();
    if (!wait_blocking(attempt.fd(), next, deadline)) return late(where);
  }
}

result<unique_fd> connect_hybrid(const hybrid_endpoint& where, std::chrono::milliseconds timeout) {
  return connect_endpoint(endpoint(where), timeout);
}

}  // namespace osvm::vsock
