#include "hotswap/proxy/pool.hpp"

#include "hotswap/io/complete.hpp"
#include "hotswap/proxy/drain.hpp"
#include "hotswap/proxy/front.hpp"
#include "hotswap/proxy/state.hpp"

namespace osvm::hotswap::detail {
namespace {

constexpr std::size_t most_backends = 256;

result<std::unique_ptr<backend>> make_backend(const endpoint& where) {
  auto b = std::make_unique<backend>();
  OSVM_TRY(b->where, to_address(where));
  b->named = where;
  b->name = to_string(where);
  b->hash = hash_of(b->name);
  return b;
}

}  // namespace

void pool::attach(const std::shared_ptr<proxy_state>& user) {
  std::lock_guard lock(mutex_);
  std::erase_if(users_, [&](const auto& u) { return u.expired() || u.lock() == user; });
  users_.push_back(user);
}

std::vector<std::shared_ptr<proxy_state>> pool::users() const {
  std::vector<std::shared_ptr<proxy_state>> all;
  std::lock_guard lock(mutex_);
  for (const auto& u : users_) {
    if (auto alive = u.lock(); alive && !alive->closed()) all.push_back(std::move(alive));
  }
  return all;
}

std::vector<std::pair<std::shared_ptr<shard>, front*>> pool::parts() const {
  std::vector<std::pair<std::shared_ptr<shard>, front*>> all;
  for (const auto& u : users()) {
    const auto shards = u->shards();
    for (std::size_t i = 0; i < shards.size(); ++i) all.emplace_back(shards[i], u->fronts[i]);
  }
  return all;
}

result<void> pool::open() const {
  if (users().empty()) return error(osvm::errc::closed, "shift");
  return {};
}

result<std::shared_ptr<target>> pool::introduce(release_target t) {
  OSVM_CHECK(open());
  auto next = std::make_shared<target>();
  OSVM_TRY(auto first, make_backend(t.where));
  next->backends.push_back(std::move(first));
  if (t.also.size() >= most_backends) {
    return error(osvm::errc::limit_exceeded, "a release has at most 256 backends");
  }
  for (const auto& where : t.also) {
    OSVM_TRY(auto another, make_backend(where));
    next->backends.push_back(std::move(another));
  }
  next->version = std::move(t.version);
  next->generation = routes.next_generation();
  return next;
}

result<void> pool::route(const std::shared_ptr<target>& t) {
  OSVM_CHECK(open());
  if (routes.shift(t)) after_shift();
  return {};
}

result<void> pool::give_share(const std::shared_ptr<target>& t, std::uint32_t share) {
  OSVM_CHECK(open());
  routes.give_share(t, share);
  return {};
}

result<std::uint64_t> pool::shift(release_target t) {
  std::lock_guard lock(shifting_);  // generations become active in their order
  OSVM_TRY(auto next, introduce(std::move(t)));
  OSVM_CHECK(route(next));
  return next->generation;
}

void pool::unroute() {
  if (routes.shift(nullptr)) after_shift();
}

// The old release's kept-alive connections are of no use any more.
void pool::after_shift() {
  for (const auto& [on, part] : parts()) {
    if (part->options.mode == proxy_mode::l4) continue;
    on->post([f = part](shard&) { f->flush_idle(); });
  }
}

void pool::drain(std::shared_ptr<target> t, std::chrono::nanoseconds deadline,
                 boost::asio::any_completion_handler<void(result<drain_report>)> handler) {
  start_drain(shared_from_this(), control_, std::move(t), deadline, std::move(handler));
}

std::vector<backend_status> pool::backends() const {
  std::vector<backend_status> all;
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                       std::chrono::steady_clock::now().time_since_epoch())
                       .count();
  for (const auto& t : {routes.current(), routes.sharing()}) {
    if (!t) continue;
    for (const auto& b : t->backends) {
      backend_status s;
      s.where = b->name;
      s.inflight = t->single() ? t->inflight.load() : b->inflight.load();
      s.requests = t->single() ? t->requests.load() : b->requests.load();
      s.failures = t->single() ? t->failures.load() : b->failures.load();
      s.ejections = b->ejections;
      s.weight = b->weight;
      s.ejected = b->out_until.load() > now;
      s.down = b->down;
      s.behind = b->behind;
      all.push_back(std::move(s));
    }
  }
  return all;
}

}  // namespace osvm::hotswap::detail
