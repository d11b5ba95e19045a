#include "hotswap/gateway/service_entry.hpp"

namespace osvm::hotswap::detail {
namespace {

constexpr std::chrono::milliseconds busy_pause{20};

bool same_pool(const pool_options& a, const pool_options& b) {
  return a.balance == b.balance && a.key == b.key && a.hash_header == b.hash_header &&
         a.ejection.failures == b.ejection.failures && a.ejection.time == b.ejection.time &&
         a.ejection.max_time == b.ejection.max_time && a.retries == b.retries &&
         a.retry_budget == b.retry_budget && a.send_proxy == b.send_proxy;
}

bool same_health(const std::optional<health_options>& a, const std::optional<health_options>& b) {
  if (a.has_value() != b.has_value()) return false;
  if (!a) return true;
  const auto &p = a->probe, &q = b->probe;
  return p.kind == q.kind && p.path == q.path && p.host == q.host && p.status == q.status &&
         p.body == q.body && p.timeout == q.timeout && a->interval == b->interval && a->fall == b->fall &&
         a->rise == b->rise;
}

bool same_height(const std::optional<height_options>& a, const std::optional<height_options>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a || (a->method == b->method && a->path == b->path && a->host == b->host &&
                a->behind == b->behind && a->interval == b->interval && a->timeout == b->timeout);
}

}  // namespace

service_entry::service_entry(const executor& ex, const service_config& c, std::shared_ptr<detail::pool> p,
                             service_options options)
    : ex_(ex),
      pause_(ex),
      config_(c),
      pool_(std::move(p)),
      service_(ex, pool_, make_endpoint_source(ex), std::move(options)) {}

service_entry::~service_entry() {
  if (watch_) watch_->close();
}

result<std::shared_ptr<service_entry>> service_entry::make(
    const executor& ex, const service_config& c, const std::string& journal,
    std::function<void(const release_event&)> on_event) {
  service_options options;
  options.on_event = std::move(on_event);
  if (!journal.empty()) {
    OSVM_TRY(options.store, open_file_store(journal));
  }
  auto store = options.store;
  auto pool = std::make_shared<detail::pool>(ex, c.pool);
  std::shared_ptr<service_entry> made(new service_entry(ex, c, std::move(pool), std::move(options)));
  made->journal_ = std::move(store);
  OSVM_CHECK(made->begin_watch(ex));
  return made;
}

result<void> service_entry::begin_watch(const executor& ex) {
  if (!config_.health && !config_.height) return {};
  OSVM_TRY(watch_, shard::create(ex));
  watch_->post([of = std::weak_ptr(pool_), health = config_.health, height = config_.height](shard& s) {
    s.adopt(std::make_unique<pool_watch>(s, of, health, height)).begin();
  });
  return {};
}

// What is there when the process begins is taken as it is: there is nothing that could serve instead.
release_spec service_entry::at_once() const {
  auto spec = with_backends(config_.shift, config_.release, config_.backends);
  spec.probe.kind = probe_kind::none;
  spec.warmup.requests = 0;
  spec.canary.clear();
  spec.bake.window = {};
  return spec;
}

void service_entry::begin(std::function<void(result<shift_report>)> done) {
  const auto spec = at_once();
  if (!journal_) return service_.async_deploy(spec, std::move(done));
  service_.async_recover(spec, [self = shared_from_this(), spec, done](result<shift_report> r) mutable {
    if (r || r.error().code != osvm::errc::not_found) return done(std::move(r));
    self->service_.async_deploy(spec, std::move(done));
  });
}

bool service_entry::can_become(const service_config& c) const {
  std::lock_guard lock(mutex_);
  return same_pool(config_.pool, c.pool) && same_health(config_.health, c.health) &&
         same_height(config_.height, c.height);
}

void service_entry::become(const service_config& c) {
  std::unique_lock lock(mutex_);
  const bool other = c.backends != config_.backends || c.release != config_.release;
  config_ = c;
  if (!other) return;
  wanted_ = true;
  if (std::exchange(pursuing_, true)) return;
  lock.unlock();
  pursue();
}

// Deploys what the configuration wants now. Another deployment, be it of an earlier reload, is waited for.
void service_entry::pursue() {
  std::unique_lock lock(mutex_);
  if (!std::exchange(wanted_, false)) {
    pursuing_ = false;
    return;
  }
  auto spec = with_backends(config_.shift, config_.release, config_.backends);
  lock.unlock();
  service_.async_deploy(std::move(spec), [self = shared_from_this()](const result<shift_report>& r) {
    if (r || r.error().code != osvm::errc::busy) return self->pursue();
    {
      std::lock_guard again(self->mutex_);
      self->wanted_ = true;
    }
    self->pause_.expires_after(busy_pause);
    self->pause_.async_wait([self](const boost::system::error_code& ec) {
      if (!ec) self->pursue();
    });
  });
}

void service_entry::shift(std::string version, const std::vector<endpoint>& backends, deploy_done done) {
  std::unique_lock lock(mutex_);
  auto spec = with_backends(config_.shift, std::move(version), backends);
  lock.unlock();
  service_.async_deploy(std::move(spec), std::move(done));
}

void service_entry::rollback(deploy_done done) {
  std::unique_lock lock(mutex_);
  auto spec = config_.shift;
  lock.unlock();
  service_.async_rollback(std::move(spec), std::move(done));
}

void service_entry::command(service_command what,
                            boost::asio::any_completion_handler<void(result<void>)> done) {
  service_.async_command(what, {}, std::move(done));
}

void service_entry::stop(std::chrono::nanoseconds deadline, std::function<void()> done) {
  service_.async_stop(deadline, [keep = shared_from_this(), done](const result<drain_report>&) { done(); });
}

result<void> service_entry::let_go() {
  if (service_.status().step != "idle") return error(osvm::errc::busy, "a deployment is under way");
  if (journal_) journal_->let_go();
  return {};
}

result<void> service_entry::take_back() {
  return journal_ ? journal_->take_back() : result<void>();
}

void service_entry::leave() {
  stop(config_.shift.drain_deadline, [] {});
}

}  // namespace osvm::hotswap::detail
