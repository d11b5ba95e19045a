#include "hotswap/release/prober.hpp"

#include "hotswap/io/complete.hpp"

#include <algorithm>

namespace osvm::hotswap {
namespace detail {
namespace {

constexpr std::size_t kept_body = 64 * 1024;

}  // namespace

result<void> check(const probe_options& o) {
  const bool http = o.kind == probe_kind::http || o.kind == probe_kind::rpc_health;
  if (o.kind == probe_kind::custom && !o.ask) {
    return error(osvm::errc::invalid_argument, "a custom probe needs its function");
  }
  if (http && (!usable_path(o.path) || !usable_host(o.host))) {
    return error(osvm::errc::invalid_argument, "probe path and host must be plain, the path begins with '/'");
  }
  if (o.successes == 0 || o.timeout.count() <= 0 || o.deadline.count() <= 0 || o.interval.count() < 0) {
    return error(osvm::errc::invalid_argument,
                 "probe timeout, deadline and successes must be more than zero");
  }
  return {};
}

prober::prober(shard& s, const endpoint& named, const address& where, probe_options options,
               done_function done)
    : actor(s),
      named_(named),
      where_(where),
      options_(std::move(options)),
      done_(std::move(done)),
      next_(*this),
      deadline_(*this),
      asked_(*this) {}

prober& prober::start(shard& s, const endpoint& named, const address& where, probe_options options,
                      done_function done) {
  auto& p = s.adopt(std::make_unique<prober>(s, named, where, std::move(options), std::move(done)));
  p.begun_ = std::chrono::steady_clock::now();
  s.arm(p.deadline_, p.begun_ + p.options_.deadline);
  p.attempt();
  return p;
}

// The answer may come on any thread, inline, or never.
void prober::ask() {
  asking_ = std::make_shared<prober*>(this);
  ask_stop_ = std::stop_source();
  shard_.arm(asked_, std::chrono::steady_clock::now() + options_.timeout);
  options_.ask(named_, ask_stop_.get_token(),
               [home = shard_.weak_from_this(), me = std::weak_ptr(asking_)](result<void> r) {
                 const auto s = home.lock();
                 if (!s) return;
                 s->post([me, failure = r ? std::string() : r.error().to_string()](shard&) {
                   if (const auto p = me.lock()) (*p)->judged(failure);
                 });
               });
}

void prober::attempt() {
  if (options_.kind == probe_kind::none) return shard_.defer(*this);  // `done` is never called inline
  if (options_.kind == probe_kind::custom) {
    ++report_.attempts;
    return ask();
  }
  ++report_.attempts;
  running_ =
      &fetch::start(shard_, request_of(options_, where_), [this](const fetch_outcome& o) { attempted(o); });
}

namespace {

// A node that is behind answers with an error object instead of the result.
bool healthy_rpc(std::string_view body) {
  const auto at = body.find("\"result\"");
  if (at == std::string_view::npos || body.find("\"error\"") != std::string_view::npos) return false;
  body.remove_prefix(at + 8);
  const auto text = body.find_first_not_of(": \t\r\n");
  return text != std::string_view::npos && body.substr(text).starts_with("\"ok\"");
}

}  // namespace

fetch_request request_of(const probe_options& options, const address& where) {
  fetch_request r;
  r.where = where;
  r.http = options.kind != probe_kind::tcp;
  r.path = options.path;
  r.host = options.host;
  r.timeout = options.timeout;
  if (options.kind == probe_kind::rpc_health) {
    r.post = R"({"jsonrpc":"2.0","id":1,"method":"getHealth"})";
  }
  if (!options.body.empty() || !r.post.empty()) r.keep_body = kept_body;
  return r;
}

std::string judge_answer(const probe_options& options, const fetch_outcome& o) {
  if (!o.failure.empty() || options.kind == probe_kind::tcp) return o.failure;
  const bool good = options.status == 0 ? o.status >= 200 && o.status < 400 : o.status == options.status;
  if (!good) return "answered with status " + std::to_string(o.status);
  if (options.kind == probe_kind::rpc_health && !healthy_rpc(o.body)) {
    return "getHealth did not answer \"ok\"";
  }
  if (o.body.find(options.body) == std::string::npos) return "the expected text is not in the body";
  return {};
}

void prober::attempted(const fetch_outcome& o) {
  running_ = nullptr;
  judged(judge_answer(options_, o));
}

void prober::judged(const std::string& failure) {
  asking_.reset();
  asked_.cancel();
  if (failure.empty()) {
    if (++successes_ >= options_.successes) return finish(report_);
  } else {
    successes_ = 0;
    report_.last_failure = failure;
  }
  shard_.arm(next_, std::chrono::steady_clock::now() + options_.interval);
}

void prober::on_timer(timer& which) {
  if (&which == &next_) return attempt();
  if (&which == &asked_) {
    ask_stop_.request_stop();
    return judged("no answer within the timeout");
  }
  const std::string last = report_.last_failure.empty() ? "no attempt has ended" : report_.last_failure;
  finish(
      error(errc::probe_failed, std::to_string(report_.attempts) + " attempts, the last failure: " + last));
}

void prober::cancel() {
  finish(error(osvm::errc::cancelled, "probe"));
}

void prober::abandon() noexcept {
  if (running_) shard_.dismiss(*running_);
  running_ = nullptr;
  asking_.reset();
  ask_stop_.request_stop();
  shard_.dismiss(*this);
}

void prober::finish(result<probe_report> r) {
  if (!done_) return;
  if (r) r->took = std::chrono::steady_clock::now() - begun_;
  const auto done = std::exchange(done_, {});
  abandon();
  done(std::move(r));
}

}  // namespace detail

namespace {

using probe_handler = boost::asio::any_completion_handler<void(result<probe_report>)>;

// A probe with a shard of its own, which ends with it.
struct lone_probe {
  executor ex;
  probe_handler handler;
  detail::prober* running = nullptr;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;

  lone_probe(executor e, probe_handler h) : ex(std::move(e)), handler(std::move(h)) {}
  ~lone_probe() { finish(error(osvm::errc::cancelled, "probe")); }
  void finish(result<probe_report> r) {
    if (handler) detail::complete(ex, std::move(handler), std::move(r));
  }
};

void run_lone(detail::shard& s, const std::shared_ptr<lone_probe>& p, const endpoint& named,
              const detail::address& where, probe_options options, const std::stop_token& stop) {
  s.attach(p);
  p->running =
      &detail::prober::start(s, named, where, std::move(options), [p = p.get(), &s](result<probe_report> r) {
        p->running = nullptr;
        p->finish(std::move(r));
        s.close();
      });
  p->on_stop.emplace(stop, [home = s.weak_from_this(), p = std::weak_ptr(p)] {
    const auto shard = home.lock();
    if (!shard) return;
    shard->post([p](detail::shard&) {
      const auto probe = p.lock();
      if (probe && probe->running) probe->running->cancel();
    });
  });
}

}  // namespace

void async_probe_erased(executor ex, endpoint where, probe_options options, std::stop_token stop,
                        probe_handler handler) {
  const auto begin = [&]() -> result<std::pair<std::shared_ptr<detail::shard>, detail::address>> {
    OSVM_CHECK(detail::check(options));
    OSVM_TRY(auto address, detail::to_address(where));
    OSVM_TRY(auto shard, detail::shard::create(ex));
    return std::pair(std::move(shard), address);
  };
  auto begun = begin();
  if (!begun) return detail::complete(ex, std::move(handler), result<probe_report>(begun.error()));
  auto p = std::make_shared<lone_probe>(ex, std::move(handler));
  begun->first->post(
      [p, where, address = begun->second, options = std::move(options), stop](detail::shard& s) mutable {
        run_lone(s, p, where, address, std::move(options), stop);
      });
}

}  // namespace osvm::hotswap
