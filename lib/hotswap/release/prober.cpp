#include "hotswap/release/prober.hpp"

#include "hotswap/io/complete.hpp"

#include <algorithm>

namespace osvm::hotswap {
namespace detail {
namespace {

constexpr std::size_t kept_body = 64 * 1024;

}  // namespace

result<void> check(const probe_options& o) {
  if (o.kind == probe_kind::http && (!usable_path(o.path) || !usable_host(o.host))) {
    return error(osvm::errc::invalid_argument, "probe path and host must be plain, the path begins with '/'");
  }
  if (o.successes == 0 || o.timeout.count() <= 0 || o.deadline.count() <= 0 || o.interval.count() < 0) {
    return error(osvm::errc::invalid_argument,
                 "probe timeout, deadline and successes must be more than zero");
  }
  return {};
}

prober::prober(shard& s, const address& where, probe_options options, done_function done)
    : actor(s),
      where_(where),
      options_(std::move(options)),
      done_(std::move(done)),
      next_(*this),
      deadline_(*this) {}

prober& prober::start(shard& s, const address& where, probe_options options, done_function done) {
  auto& p = s.adopt(std::make_unique<prober>(s, where, std::move(options), std::move(done)));
  p.begun_ = std::chrono::steady_clock::now();
  s.arm(p.deadline_, p.begun_ + p.options_.deadline);
  p.attempt();
  return p;
}

void prober::attempt() {
  fetch_request r;
  r.where = where_;
  r.http = options_.kind == probe_kind::http;
  r.path = options_.path;
  r.host = options_.host;
  r.timeout = options_.timeout;
  r.keep_body = options_.body.empty() ? 0 : kept_body;
  ++report_.attempts;
  running_ = &fetch::start(shard_, std::move(r), [this](const fetch_outcome& o) { attempted(o); });
}

// Why the attempt failed; empty when it did not.
std::string prober::judge(const fetch_outcome& o) const {
  if (!o.failure.empty() || options_.kind == probe_kind::tcp) return o.failure;
  const bool good = options_.status == 0 ? o.status >= 200 && o.status < 400 : o.status == options_.status;
  if (!good) return "answered with status " + std::to_string(o.status);
  if (o.body.find(options_.body) == std::string::npos) return "the expected text is not in the body";
  return {};
}

void prober::attempted(const fetch_outcome& o) {
  running_ = nullptr;
  const std::string failure = judge(o);
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

void run_lone(detail::shard& s, const std::shared_ptr<lone_probe>& p, const detail::address& where,
              probe_options options, const std::stop_token& stop) {
  s.attach(p);
  p->running =
      &detail::prober::start(s, where, std::move(options), [p = p.get(), &s](result<probe_report> r) {
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
  begun->first->post([p, address = begun->second, options = std::move(options),
                      stop](detail::shard& s) mutable { run_lone(s, p, address, std::move(options), stop); });
}

}  // namespace osvm::hotswap
