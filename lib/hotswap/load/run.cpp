#include "hotswap/load/run.hpp"

#include "hotswap/http1/chars.hpp"
#include "hotswap/io/complete.hpp"
#include "hotswap/io/fetch.hpp"
#include "hotswap/load/connection.hpp"
#include "hotswap/load/http2_connection.hpp"

#include <osvm/core/text.hpp>

#include <sys/random.h>

#include <cstdio>
#include <utility>

namespace osvm::hotswap {
namespace detail {
namespace {

constexpr std::size_t max_samples = 16;
constexpr std::size_t max_versions = 64;
constexpr double tolerated_miss = 0.05;

constexpr std::size_t max_requests = 10'000;
constexpr std::uint64_t longest_upload = std::uint64_t{1} << 40;

std::string lower_case(std::string s) {
  for (char& c : s) c = http1::lower(c);
  return s;
}

const char* name_of(load_class k) {
  switch (k) {
    case load_class::answered: return "answered";
    case load_class::connect: return "connect";
    case load_class::write: return "write";
    case load_class::read: return "read";
    case load_class::timeout: return "timeout";
    case load_class::status: return "status";
    case load_class::truncated: return "truncated";
    case load_class::wrong_nonce: return "wrong nonce";
    case load_class::wrong_content: return "wrong content";
    case load_class::misversioned: return "misversioned";
  }
  return "?";
}

std::uint64_t& slot(load_report& r, load_class k) {
  switch (k) {
    case load_class::connect: return r.connect;
    case load_class::write: return r.write;
    case load_class::read: return r.read;
    case load_class::timeout: return r.timeout;
    case load_class::status: return r.status;
    case load_class::truncated: return r.truncated;
    case load_class::wrong_nonce: return r.wrong_nonce;
    case load_class::wrong_content: return r.wrong_content;
    case load_class::misversioned: return r.misversioned;
    case load_class::answered: break;
  }
  return r.answered;
}

result<void> check(const load_options& o) {
  const auto bad = [](const char* what) { return error(osvm::errc::invalid_argument, what); };
  const auto token = [](const std::string& s) { return http1::all_of(s, http1::token_char); };
  if (!usable_path(o.path) || !usable_host(o.host)) return bad("load_options: path and host must be plain");
  for (const auto& r : o.requests) {
    if (r.method.empty() || !token(r.method) || !usable_path(r.path) ||
        !http1::all_of(r.content_type, http1::value_char))
      return bad("load_request: method, path and content type must be plain");
    if (r.messages == 0) return bad("load_request::messages must be 1 or more");
    if (r.upload > longest_upload) return bad("load_request::upload must be at most 1 TiB");
    if (r.kind == load_kind::websocket && o.protocol == load_protocol::http2)
      return bad("load_request: WebSocket sessions need HTTP/1.1");
  }
  if (o.requests.size() > max_requests) return bad("load_options: at most 10000 requests");
  if (!token(o.nonce_header) || !token(o.version_header))
    return bad("load_options: header names must be tokens");
  if (!(o.rate > 0) || o.rate > 10e6)
    return bad("load_options::rate must be more than 0 and at most ten million");
  if (o.duration.count() <= 0 || o.timeout.count() <= 0)
    return bad("load_options: durations must be more than 0");
  if (o.connections == 0 || o.connections > 10'000)
    return bad("load_options::connections must be 1 to 10000");
  if (o.streams == 0 || o.streams > 100) return bad("load_options::streams must be 1 to 100");
  return {};
}

}  // namespace

load_run::load_run(shard& s, std::shared_ptr<load_state> state, address where,
                   std::shared_ptr<net::tls_connector> connector, handler_type handler)
    : actor(s),
      state_(std::move(state)),
      where_(where),
      connector_(std::move(connector)),
      handler_(std::move(handler)),
      timer_(*this),
      nonce_name_(lower_case(options().nonce_header)),
      version_name_(lower_case(options().version_header)),
      alive_(std::make_shared<load_run*>(this)) {
  if (::getrandom(&nonce_, sizeof nonce_, GRND_NONBLOCK) != sizeof nonce_) {
    nonce_ = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  }
  requests_ = options().requests;
  if (requests_.empty()) requests_.push_back({.path = options().path});
  if (options().tls) tls_name_ = options().tls->name.empty() ? options().host : options().tls->name;
}

load_run::~load_run() {
  if (handler_)
    complete(state_->ex, std::move(handler_), result<load_report>(error(osvm::errc::cancelled, "load run")));
}

void load_run::begin() {
  std::shared_ptr<load_http2_place> place;
  for (unsigned i = 0; i < options().connections; ++i) {
    if (options().protocol == load_protocol::http1) {
      free_.push_back(&shard_.adopt(std::make_unique<load_connection>(shard_, *this)));
      continue;
    }
    if (i % options().streams == 0) place = std::make_shared<load_http2_place>();
    free_.push_back(&shard_.adopt(std::make_unique<load_stream>(shard_, *this, place)));
  }
  begun_ = std::chrono::steady_clock::now();
  end_ = begun_ + options().duration;
  schedule();
}

time_point load_run::due(std::uint64_t n) const noexcept {
  const auto ns = static_cast<double>(n) * 1e9 / options().rate;
  return begun_ + std::chrono::nanoseconds(static_cast<std::int64_t>(ns));
}

void load_run::on_timer(timer&) {
  schedule();
}

void load_run::schedule() {
  const auto now = std::chrono::steady_clock::now();
  std::uint64_t fresh = 0;
  while (scheduling_) {
    const auto at = due(scheduled_);
    if (at >= end_) {
      scheduling_ = false;
      ended_ = end_;
    } else if (at <= now) {
      waiting_.push_back(at);
      ++scheduled_;
      ++fresh;
    } else {
      break;
    }
  }
  if (fresh != 0) state_->update([fresh](load_report& r) { r.scheduled += fresh; });
  dispatch();
  expire();
  if (scheduling_) {
    shard_.arm(timer_, due(scheduled_));
  } else if (!waiting_.empty()) {
    shard_.arm(timer_, waiting_.front() + options().timeout);
  }
  check_end();
}

void load_run::stop() {
  if (!scheduling_) return;
  schedule();  // what is due by now was offered, however late this thread is
  scheduling_ = false;
  ended_ = std::chrono::steady_clock::now();
  schedule();
}

void load_run::dispatch() {
  while (!waiting_.empty() && !free_.empty()) {
    auto* c = free_.front();
    free_.pop_front();
    const auto at = waiting_.front();
    waiting_.pop_front();
    ++busy_;
    c->send(at);
  }
}

// A request that no connection was free for in its time has failed as well.
void load_run::expire() {
  const auto now = std::chrono::steady_clock::now();
  while (!waiting_.empty() && waiting_.front() + options().timeout <= now) {
    waiting_.pop_front();
    count({load_class::timeout, "no connection was free"}, {});
  }
}

void load_run::sent() noexcept {
  if (std::chrono::steady_clock::now() <= (scheduling_ ? end_ : ended_)) ++sent_in_time_;
}

void load_run::opened() {
  state_->update([](load_report& r) { ++r.connections_opened; });
}

std::uint64_t load_run::next_nonce() noexcept {
  // splitmix64: each value once in 2^64
  std::uint64_t z = nonce_ += 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

const load_request& load_run::next_request() noexcept {
  const auto& r = requests_[next_request_];
  next_request_ = (next_request_ + 1) % requests_.size();
  return r;
}

void load_run::asked_again() {
  state_->update([](load_report& r) { ++r.asked_again; });
}

void load_run::count(load_verdict v, const std::string& version) {
  const auto now = std::chrono::steady_clock::now();
  state_->update([&](load_report& r) {
    ++slot(r, v.k);
    const bool complete = v.k == load_class::answered || v.k == load_class::misversioned;
    if (complete && !version.empty()) {
      const auto name = printable(version);
      if (r.by_version.size() < max_versions || r.by_version.contains(name)) ++r.by_version[name];
    }
    if (v.k != load_class::answered && r.samples.size() < max_samples) {
      char when[32];
      std::snprintf(when, sizeof when,
                    "%.1f ms: ", std::chrono::duration<double, std::milli>(now - begun_).count());
      r.samples.push_back(when + std::string(name_of(v.k)) + ": " + v.text);
    }
  });
}

void load_run::done(load_lane& lane, load_verdict v) {
  --busy_;
  if (v.k == load_class::answered) {
    const auto now = std::chrono::steady_clock::now();
    latencies_.add(now - lane.due());
    service_.add(now - lane.sent());
  }
  count(std::move(v), lane.answer().version());
  free_.push_back(&lane);
  dispatch();
  check_end();
}

void load_run::check_end() {
  if (scheduling_ || busy_ != 0 || !waiting_.empty() || !handler_) return;
  auto r = state_->snapshot();
  r.took = ended_ - begun_;
  const double seconds = std::chrono::duration<double>(r.took).count();
  r.offered_rate = options().rate;
  r.sent_rate = seconds > 0 ? static_cast<double>(sent_in_time_) / seconds : 0;
  r.rate_missed = r.sent_rate < r.offered_rate * (1 - tolerated_miss);
  r.latency = latencies_.summary();
  r.service = service_.summary();
  complete(state_->ex, std::move(handler_), result<load_report>(std::move(r)));
  shard_.close();
}

void load_state::run(boost::asio::any_completion_handler<void(result<load_report>)> handler) {
  const auto refuse = [&](error e) { complete(ex, std::move(handler), result<load_report>(std::move(e))); };
  if (auto ok = check(options); !ok) return refuse(ok.error());
  auto where = to_address(options.target);
  if (!where) return refuse(where.error());
  std::shared_ptr<net::tls_connector> connector;
  if (options.tls) {
    const std::string protocol = options.protocol == load_protocol::http2 ? "h2" : "http/1.1";
    auto opened =
        net::tls_connector::make({.authorities = options.tls->authorities, .protocols = {protocol}});
    if (!opened) return refuse(error(errc::bad_certificate, opened.error().context));
    connector = std::move(*opened);
  }
  if (used_.exchange(true)) return refuse(error(osvm::errc::busy, "a load client runs once"));
  auto made = shard::create(ex);
  if (!made) return refuse(made.error());
  auto op = std::make_unique<load_run>(**made, shared_from_this(), *where, std::move(connector),
                                       std::move(handler));
  {
    std::lock_guard lock(mutex_);
    home_ = *made;
    run_ = op->handle();
  }
  (*made)->post([op = std::move(op)](shard& s) mutable { s.adopt(std::move(op)).begin(); });
}

void load_state::stop() noexcept {
  std::lock_guard lock(mutex_);
  const auto home = home_.lock();
  if (!home) return;
  home->post([r = run_](shard&) {
    if (const auto p = r.lock()) (*p)->stop();
  });
}

void load_state::abandon() noexcept {
  std::lock_guard lock(mutex_);
  if (const auto home = home_.lock()) home->close();
}

load_report load_state::snapshot() const {
  std::lock_guard lock(mutex_);
  return report_;
}

}  // namespace detail

load_client::load_client(executor ex, load_options options)
    : state_(std::make_shared<detail::load_state>(std::move(ex), std::move(options))) {}
load_client::load_client(load_client&&) noexcept = default;

load_client& load_client::operator=(load_client&& o) noexcept {
  if (this != &o) {
    if (state_) state_->abandon();
    state_ = std::move(o.state_);
  }
  return *this;
}

load_client::~load_client() {
  if (state_) state_->abandon();
}

void load_client::shift_starting(std::string version) {
  state_->order.starting(std::move(version));
}
void load_client::shift_returned(const std::string& version) {
  state_->order.returned(version);
}
void load_client::stop() noexcept {
  state_->stop();
}
load_report load_client::progress() const {
  return state_->snapshot();
}
executor load_client::get_executor() const noexcept {
  return state_->ex;
}
executor load_client::executor_of(const state_ptr& state) noexcept {
  return state->ex;
}
void load_client::start_run(const state_ptr& state, run_handler handler) {
  state->run(std::move(handler));
}

}  // namespace osvm::hotswap
