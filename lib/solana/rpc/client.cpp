#include <osvm/net/retry.hpp>
#include <osvm/solana/rpc_client.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <charconv>
#include <mutex>
#include <random>

#include "net/operation.hpp"

namespace osvm::solana {
namespace {

namespace asio = boost::asio;
using clock = deadline::clock;
using outcome = rpc_result<std::string>;

constexpr std::size_t most_calls = 4096;  // outstanding

std::string envelope(const rpc_call& c, std::uint64_t id) {
  return "{\"jsonrpc\":\"2.0\",\"id\":" + std::to_string(id) + ",\"method\":\"" + c.method +
         "\",\"params\":" + (c.params.empty() ? "[]" : c.params) + "}";
}

bool usable_method(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= 128 && std::ranges::all_of(name, letter);
}

// What an attempt says about the call and about the server.
struct attempt {
  outcome result = rpc_failure(error(osvm::errc::cancelled, ""));
  bool server_failed = false;  // counts for the breaker, and another attempt may help
  bool says_nothing = false;   // about the server: neither counts nor ends a row of failures
  nanoseconds wait{};          // the server's own wish, by Retry-After
};

nanoseconds retry_after(const net::http_response& r) {
  const auto* text = r.find("Retry-After");
  unsigned seconds = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), seconds).ec != std::errc{})
    return {};
  return std::chrono::seconds(std::min(seconds, 3600U));
}

}  // namespace

struct rpc_client::impl {
  impl(executor e, net::url w, rpc_client_options o)
      : ex(std::move(e)),
        where(std::move(w)),
        options(std::move(o)),
        http(ex, options.http),
        limiter(options.max_rate, options.burst),
        breaker(options.breaker_failures, options.breaker_pause) {}

  executor ex;
  net::url where;
  rpc_client_options options;
  net::http_client http;
  std::shared_ptr<net::operation_set> running = std::make_shared<net::operation_set>();
  std::mutex mutex;  // the rest
  net::rate_limiter limiter;
  net::circuit_breaker breaker;
  std::minstd_rand random{std::random_device{}()};
  std::uint64_t next_id = 1;

  asio::awaitable<outcome> call(rpc_call c, std::shared_ptr<net::watchdog> dog);
  asio::awaitable<outcome> forward(std::string body, std::shared_ptr<net::watchdog> dog);
  asio::awaitable<result<net::http_response>> post(std::string body, bool repeatable,
                                                   std::shared_ptr<net::watchdog> dog);
  asio::awaitable<result<>> admit(std::shared_ptr<net::watchdog> dog);
  asio::awaitable<result<>> pause(nanoseconds length, std::shared_ptr<net::watchdog> dog);
  attempt judge(result<net::http_response> r, std::string_view id);
  void tell_breaker(const attempt& a, bool withdrawn);
};

asio::awaitable<result<>> rpc_client::impl::pause(nanoseconds length, std::shared_ptr<net::watchdog> dog) {
  auto timer = std::make_shared<asio::steady_timer>(co_await asio::this_coro::executor, length);
  dog->guard([timer] { timer->cancel(); });
  error_code ignored;
  if (!dog->ended()) co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  dog->guard(nullptr);
  if (dog->ended()) co_return error(asio::error::operation_aborted, "waiting");
  co_return result<>();
}

// Waits for a place under the rate limit, and asks the breaker.
asio::awaitable<result<>> rpc_client::impl::admit(std::shared_ptr<net::watchdog> dog) {
  nanoseconds wait{};
  {
    const std::lock_guard lock(mutex);
    if (!breaker.allow(clock::now())) co_return error(rpc_errc::circuit_open, where.origin());
    wait = limiter.reserve(clock::now(), dog->until().remaining());
    if (wait == nanoseconds::max()) breaker.withdrawn();
  }
  if (wait == nanoseconds::max()) co_return error(rpc_errc::rate_limited, "our own limit");
  if (wait.count() == 0) co_return result<>();
  auto waited = co_await pause(wait, dog);
  if (!waited) {
    const std::lock_guard lock(mutex);
    breaker.withdrawn();
  }
  co_return waited;
}

asio::awaitable<result<net::http_response>> rpc_client::impl::post(std::string body, bool repeatable,
                                                                   std::shared_ptr<net::watchdog> dog) {
  net::http_request r{.where = where, .method = "POST", .fields = options.fields, .body = std::move(body)};
  r.fields.push_back({"Content-Type", "application/json"});
  r.max_body = options.max_answer;
  r.idempotent = repeatable;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(dog->until().remaining());
  r.timeout = dog->until().is_never() ? options.attempt_timeout : std::min(options.attempt_timeout, left);
  // The watchdog reaches the exchange through a cancellation signal.
  auto stop = std::make_shared<asio::cancellation_signal>();
  dog->guard([stop] { stop->emit(asio::cancellation_type::terminal); });
  auto operation =
      http.async_fetch(std::move(r), asio::bind_cancellation_slot(stop->slot(), asio::use_awaitable));
  auto out = co_await std::move(operation);
  dog->guard(nullptr);
  co_return std::move(out);
}

attempt rpc_client::impl::judge(result<net::http_response> r, std::string_view id) {
  if (!r) {
    const bool ours = r.error().code == osvm::errc::cancelled || r.error().code == osvm::errc::busy ||
                      r.error().code == net::errc::certificate || r.error().code == net::errc::too_large;
    return {rpc_failure(std::move(r).error()), !ours, ours, {}};
  }
  if (r->status == 429)
    return {rpc_failure(error(rpc_errc::rate_limited, where.origin())), true, false, retry_after(*r)};
  auto answer = read_rpc_answer(r->body, id, options.max_depth);
  // Some servers say a JSON-RPC error with another status: the error tells more.
  if (r->status == 200 || (!answer && answer.error().answer)) return {std::move(answer), false, false, {}};
  const bool failed = r->status >= 500;
  return {
      rpc_failure(error(rpc_errc::http_status, where.origin() + " answered " + std::to_string(r->status))),
      failed, false, retry_after(*r)};
}

void rpc_client::impl::tell_breaker(const attempt& a, bool withdrawn) {
  const std::lock_guard lock(mutex);
  if (withdrawn || a.says_nothing)
    breaker.withdrawn();
  else if (a.server_failed)
    breaker.failed(clock::now());
  else
    breaker.succeeded();
}

asio::awaitable<outcome> rpc_client::impl::call(rpc_call c, std::shared_ptr<net::watchdog> dog) {
  if (!usable_method(c.method))
    co_return rpc_failure(error(osvm::errc::invalid_argument, "the method's name"));
  const bool repeatable = c.repeatable.value_or(is_repeatable(c.method));
  const unsigned most = repeatable ? std::max(1U, options.max_attempts) : 1;
  net::backoff pauses(options.backoff, options.max_backoff);
  for (unsigned made = 0;;) {
    auto admitted = co_await admit(dog);
    if (!admitted) {
      rpc_failure f(dog->ended() ? dog->explain(admitted.error(), c.method) : admitted.error());
      f.attempts = made;
      co_return f;
    }
    std::uint64_t id;
    std::uint32_t dice;
    {
      const std::lock_guard lock(mutex);
      id = next_id++;
      dice = static_cast<std::uint32_t>(random());
    }
    ++made;
    auto answered = co_await post(envelope(c, id), repeatable, dog);
    auto one = judge(std::move(answered), std::to_string(id));
    tell_breaker(one, dog->ended());
    if (one.result) co_return std::move(one.result);
    auto failure = std::move(one.result).error();
    if (dog->ended()) failure.error = dog->explain(failure.error, c.method + " at " + where.origin());
    failure.attempts = made;
    if (!one.server_failed || made >= most || dog->ended()) co_return failure;
    const auto wait = std::max(pauses.next(dice), one.wait);
    if (!dog->until().is_never() && wait >= dog->until().remaining()) co_return failure;
    auto waited = co_await pause(wait, dog);
    if (!waited) co_return failure;
  }
}

asio::awaitable<outcome> rpc_client::impl::forward(std::string body, std::shared_ptr<net::watchdog> dog) {
  auto admitted = co_await admit(dog);
  if (!admitted) co_return rpc_failure(admitted.error());
  auto answered = co_await post(std::move(body), false, dog);
  attempt one;
  if (!answered) {
    one = judge(std::move(answered), "");
  } else if (answered->status == 200 || answered->body.starts_with('{') || answered->body.starts_with('[')) {
    one.result = std::move(answered->body);
  } else {
    one = judge(std::move(answered), "");
  }
  tell_breaker(one, dog->ended());
  co_return std::move(one.result);
}

rpc_client::rpc_client(executor ex, net::url where, rpc_client_options options)
    : impl_(std::make_shared<impl>(std::move(ex), std::move(where), std::move(options))) {}

rpc_client::~rpc_client() {
  impl_->running->end_all();
}

const net::url& rpc_client::where() const noexcept {
  return impl_->where;
}
net::http_client_stats rpc_client::stats() const {
  return impl_->http.stats();
}
executor rpc_client::own_executor() const noexcept {
  return impl_->ex;
}

void rpc_client::start(rpc_call call, rpc_handler handler) {
  auto self = impl_;
  const auto until = deadline::after(call.timeout.value_or(self->options.timeout));
  auto body =
      [self, call = std::move(call)](std::shared_ptr<net::watchdog> dog) mutable -> asio::awaitable<outcome> {
    co_return co_await self->call(std::move(call), dog);
  };
  net::run_operation<outcome>(self->ex, asio::make_strand(self->ex), self->running, most_calls, until,
                              std::move(handler), std::move(body));
}

void rpc_client::start_forward(std::string text, rpc_handler handler) {
  auto self = impl_;
  const auto until = deadline::after(self->options.timeout);
  auto body =
      [self, text = std::move(text)](std::shared_ptr<net::watchdog> dog) mutable -> asio::awaitable<outcome> {
    co_return co_await self->forward(std::move(text), dog);
  };
  net::run_operation<outcome>(self->ex, asio::make_strand(self->ex), self->running, most_calls, until,
                              std::move(handler), std::move(body));
}

rpc_result<std::string> rpc_client::call(rpc_call c) {
  return async_call(std::move(c), asio::use_future).get();
}

}  // namespace osvm::solana
