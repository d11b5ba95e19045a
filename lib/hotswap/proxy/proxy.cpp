#include <osvm/hotswap/proxy.hpp>

#include "hotswap/io/complete.hpp"
#include "hotswap/proxy/drain.hpp"
#include "hotswap/proxy/front.hpp"
#include "hotswap/proxy/state.hpp"
#include "net/tls_server.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace osvm::hotswap {
namespace detail {
namespace {

// A shard serves what it accepts unless another has that many fewer connections: handing over costs a
// wake-up.
constexpr std::uint64_t imbalance = 4;

result<void> check(const proxy_options& o) {
  if (o.buffer < 4096 || o.buffer > shard::scratch_size) {
    return error(osvm::errc::invalid_argument, "proxy_options::buffer must be 4 KiB to 64 KiB");
  }
  if (o.limits.max_head < 512 || o.limits.max_head > (std::size_t{1} << 20)) {
    return error(osvm::errc::invalid_argument, "http_limits::max_head must be 512 bytes to 1 MiB");
  }
  if (o.limits.max_fields == 0 || o.limits.max_fields > http1::field_capacity) {
    return error(osvm::errc::invalid_argument, "http_limits::max_fields must be 1 to 256");
  }
  if (o.shards > 256) return error(osvm::errc::invalid_argument, "proxy_options::shards must be at most 256");
  return {};
}

}  // namespace

proxy_state::~proxy_state() {
  close();
}

result<void> proxy_state::open(const std::vector<executor>& executors, unique_fd inherited, bool hold) {
  OSVM_CHECK(check(options));
  if (executors.empty()) return error(osvm::errc::invalid_argument, "a proxy needs an executor");
  control = executors.front();
  main = std::make_shared<pool>(control, pool_options{});
  main->attach(shared_from_this());
  if (options.tls) {
    OSVM_TRY(tls_, make_tls(*options.tls, nullptr));
  }
  rich = rich || options.tls || options.forwarded != forwarded_mode::off || options.accept_proxy ||
         options.access_log;
  routing plain;
  plain.rules.push_back({.options = {}, .to = main, .limits = nullptr, .lanes = {}});
  local = options.listen;
  if (inherited) {
    borrowed_ = true;
    OSVM_TRY(listener_, adopt_listener(local, std::move(inherited)));
  } else {
    OSVM_TRY(listener_, listen_on(local, options.backlog, options.unix_mode));
  }
  const std::size_t n = options.shards != 0 ? options.shards : executors.size();
  for (std::size_t i = 0; i < n; ++i) {
    counts.push_back(std::make_unique<counters>());
    auto made = shard::create(executors[i % executors.size()]);
    if (!made) {
      abandon();
      return made.error();
    }
    parts.push_back(*made);
    shards_.push_back(std::move(*made));
  }
  fronts.resize(n);
  std::vector<std::shared_ptr<front>> made(n);
  for (std::size_t i = 0; i < n; ++i) {
    made[i] = std::make_shared<front>(*shards_[i], shared_from_this(), i);
    made[i]->use(std::make_shared<routing>(plain));
    made[i]->use(tls_);
    fronts[i] = made[i].get();
  }
  copies_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    copies_[i] = listener_.duplicate();
    if (!copies_[i]) {
      abandon();
      return errno_error("duplicate the listener");
    }
    shards_[i]->post([f = made[i]](shard& s) { s.attach(f); });
  }
  if (!hold) begin_accepting();
  return {};
}

void proxy_state::begin_accepting() {
  const auto all = shards();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!copies_[i]) continue;
    all[i]->post(
        [f = fronts[i], fd = std::move(copies_[i])](shard&) mutable { (void)f->accept_from(std::move(fd)); });
  }
}

void proxy_state::stop_accepting(std::function<void()> done) noexcept {
  // Called with the last copy, which also goes where a shard has ended.
  std::shared_ptr<void> last(nullptr, [done = std::move(done)](void*) {
    if (done) done();
  });
  if (deaf_.exchange(true)) return;
  const auto all = shards();
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i]->post([f = fronts[i], last](shard&) { f->stop_accepting(); });
  }
}

void proxy_state::ask_to_leave() {
  const auto all = shards();
  for (std::size_t i = 0; i < all.size(); ++i) all[i]->post([f = fronts[i]](shard&) { f->ask_to_leave(); });
}

// Each shard gets a copy: nothing of it is shared but pools and limits.
void proxy_state::use(const routing& rules) {
  for (const auto& r : rules.rules) {
    r.to->attach(shared_from_this());
    for (const auto& l : r.lanes) l.to->attach(shared_from_this());
  }
  const auto all = shards();
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i]->post([f = fronts[i], copy = std::make_shared<routing>(rules)](shard&) mutable {
      f->use(std::move(copy));
    });
  }
}

result<std::shared_ptr<const net::tls_server>> make_tls(const tls_termination& o,
                                                        const net::tls_server* before) {
  net::tls_server_options with;
  for (const auto& c : o.certificates) with.identities.push_back({c.chain, c.key});
  with.protocols = o.protocols;
  with.only_tls13 = o.only_tls13;
  auto made = net::tls_server::make(with, before);
  if (!made) return error(errc::bad_certificate, made.error().context);
  return std::shared_ptr<const net::tls_server>(std::move(*made));
}

void proxy_state::use(std::shared_ptr<const net::tls_server> tls) {
  {
    std::lock_guard lock(mutex_);
    tls_ = tls;
  }
  const auto all = shards();
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i]->post([f = fronts[i], tls](shard&) { f->use(tls); });
  }
}

std::shared_ptr<const net::tls_server> proxy_state::tls() const {
  std::lock_guard lock(mutex_);
  return tls_;
}

std::vector<std::shared_ptr<shard>> proxy_state::shards() const {
  std::lock_guard lock(mutex_);
  return shards_;
}

proxy_stats proxy_state::stats() const {
  proxy_stats s;
  for (const auto& c : counts) c->add_to(s);
  s.shifts = main ? main->routes.shifts() : 0;
  return s;
}

std::size_t proxy_state::place(std::size_t mine) const noexcept {
  if (counts.size() == 1) return 0;
  std::size_t least = mine;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i]->active.get() < counts[least]->active.get()) least = i;
  }
  return counts[mine]->active.get() >= counts[least]->active.get() + imbalance ? least : mine;
}

bool proxy_state::full() const noexcept {
  std::uint64_t n = 0;
  for (const auto& c : counts) n += c->active.get();
  return n >= options.max_connections;
}

// Ends listening in all shards at once, while their descriptors are still theirs to close.
void proxy_state::stop_listening() noexcept {
  if (!listener_ || deaf_) return;
  if (borrowed_) return stop_accepting();
  if (deaf_.exchange(true)) return;
  ::shutdown(listener_.get(), SHUT_RDWR);
  if (const auto* un = std::get_if<unix_endpoint>(&local)) ::unlink(un->path.c_str());
}

void proxy_state::close() noexcept {
  if (closed_.exchange(true)) return;
  if (!listener_) return;
  stop_listening();
  for (const auto& s : shards()) s->close();
}

void proxy_state::abandon() noexcept {
  close();
  std::vector<std::shared_ptr<shard>> gone;
  std::lock_guard lock(mutex_);
  gone.swap(shards_);
}

}  // namespace detail

proxy::proxy(state_ptr state) noexcept : state_(std::move(state)) {}
proxy::proxy(proxy&&) noexcept = default;

proxy& proxy::operator=(proxy&& o) noexcept {
  if (this != &o) {
    if (state_) state_->abandon();
    state_ = std::move(o.state_);
  }
  return *this;
}

proxy::~proxy() {
  if (state_) state_->abandon();
}

result<proxy> proxy::listen(std::vector<executor> executors, proxy_options options) {
  auto state = std::make_shared<detail::proxy_state>(std::move(options));
  OSVM_CHECK(state->open(executors));
  return proxy(std::move(state));
}

result<proxy> proxy::listen(executor ex, proxy_options options) {
  return listen(std::vector<executor>{std::move(ex)}, std::move(options));
}

const endpoint& proxy::local_endpoint() const noexcept {
  return state_->local;
}
result<std::uint64_t> proxy::shift(release_target target) {
  return state_->main->shift(std::move(target));
}
std::uint64_t proxy::generation() const noexcept {
  return state_->main->routes.generation();
}
result<void> proxy::renew(const tls_termination& tls) {
  const auto before = state_->tls();
  if (!before) return error(osvm::errc::invalid_argument, "the proxy listens in clear text");
  OSVM_TRY(auto made, detail::make_tls(tls, before.get()));
  state_->use(std::move(made));
  return {};
}
proxy_stats proxy::stats() const {
  return state_->stats();
}
void proxy::close() noexcept {
  state_->close();
}
executor proxy::get_executor() const noexcept {
  return state_->control;
}
executor proxy::executor_of(const state_ptr& state) noexcept {
  return state->control;
}

result<release_stats> proxy::release(std::uint64_t generation) const {
  const auto t = state_->main->routes.find(generation);
  if (!t) return error(errc::no_such_release, "release " + std::to_string(generation));
  return t->stats();
}

void proxy::start_drain(const state_ptr& state, std::uint64_t generation, std::chrono::nanoseconds deadline,
                        drain_handler handler) {
  auto t = state->main->routes.find(generation);
  if (!t) {
    return detail::complete(
        state->control, std::move(handler),
        result<drain_report>(error(errc::no_such_release, "drain " + std::to_string(generation))));
  }
  state->main->drain(std::move(t), deadline, std::move(handler));
}

}  // namespace osvm::hotswap
