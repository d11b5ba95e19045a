#include <osvm/ledger/rpc_upstream.hpp>

#include <osvm/core/unique_fd.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <map>
#include <mutex>

namespace osvm::ledger {
namespace {

// A WebSocket to the upstream for one client of ours. Under the mutex of the state.
struct upstream_bridge {
  std::optional<net::websocket> open;
  std::vector<std::string> early;  // until it is open
};

struct upstream_state : std::enable_shared_from_this<upstream_state> {
  upstream_state(executor e, net::url w, rpc_upstream_options o)
      : ex(e), where(std::move(w)), options(std::move(o)), client(e, where, options.client) {
    ready = unique_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  }
  executor ex;
  net::url where;
  rpc_upstream_options options;
  solana::rpc_client client;
  unique_fd ready;
  std::mutex mutex;  // the rest
  std::vector<upstream_event> events;
  std::map<std::uint64_t, std::shared_ptr<upstream_bridge>> bridges;
  std::size_t pending = 0;
  bool ended = false;

  void put_locked(upstream_event e) {
    events.push_back(std::move(e));
    const std::uint64_t one = 1;
    (void)!::write(ready.get(), &one, sizeof one);  // full means that it is readable already
  }
  void put(upstream_event e) {
    const std::lock_guard lock(mutex);
    if (!ended) put_locked(std::move(e));
  }
  bool is_current(std::uint64_t id, const std::shared_ptr<upstream_bridge>& b) {
    const auto at = bridges.find(id);
    return !ended && at != bridges.end() && at->second == b;
  }
  void open_bridge(std::uint64_t id, const std::shared_ptr<upstream_bridge>& b);
  void read_bridge(std::uint64_t id, const std::shared_ptr<upstream_bridge>& b, net::websocket w);
  void end_bridge(std::uint64_t id, const std::shared_ptr<upstream_bridge>& b, const error& why);
  net::url socket_url() const;
};

net::url upstream_state::socket_url() const {
  if (options.socket_url) return *options.socket_url;
  auto out = where;
  out.websocket = true;
  return out;
}

void upstream_state::end_bridge(std::uint64_t id, const std::shared_ptr<upstream_bridge>& b,
                                const error& why) {
  const std::lock_guard lock(mutex);
  if (!is_current(id, b)) return;
  bridges.erase(id);
  put_locked({upstream_event::kind::closed, id, why.to_string()});
}

void upstream_state::open_bridge(std::uint64_t id, const std::shared_ptr<upstream_bridge>& b) {
  auto done = [weak = weak_from_this(), id, b](result<net::websocket> w) {
    const auto self = weak.lock();
    if (!self) return;
    if (!w) return self->end_bridge(id, b, w.error());
    {
      const std::lock_guard lock(self->mutex);
      if (!self->is_current(id, b)) return;
      for (auto& m : b->early) (void)w->send(std::move(m));
      b->early.clear();
      b->open = *w;
    }
    self->read_bridge(id, b, std::move(*w));
  };
  net::websocket::async_open(ex, socket_url(), options.socket, std::move(done));
}

// `w` is a handle of its own only for as long as the read is started: dropping the bridge must close it.
void upstream_state::read_bridge(std::uint64_t id, const std::shared_ptr<upstream_bridge>& b,
                                 net::websocket w) {
  auto done = [weak = weak_from_this(), id, b](result<net::websocket_message> m) {
    const auto self = weak.lock();
    if (!self) return;
    if (!m) return self->end_bridge(id, b, m.error());
    net::websocket next;
    {
      const std::lock_guard lock(self->mutex);
      if (!self->is_current(id, b)) return;
      self->put_locked({upstream_event::kind::message, id, std::move(m->data)});
      next = *b->open;
    }
    self->read_bridge(id, b, std::move(next));
  };
  w.async_read(std::move(done));
}

class net_upstream final : public rpc_upstream {
 public:
  net_upstream(executor ex, net::url where, rpc_upstream_options options)
      : impl_(std::make_shared<upstream_state>(std::move(ex), std::move(where), std::move(options))) {}
  ~net_upstream() override;
  int ready_fd() const noexcept override { return impl_->ready.get(); }
  std::vector<upstream_event> take() override;
  void call(std::uint64_t id, std::string request) override;
  void send(std::uint64_t id, std::string message) override;
  void drop_bridge(std::uint64_t id) override;

 private:
  std::shared_ptr<upstream_state> impl_;
};

net_upstream::~net_upstream() {
  std::map<std::uint64_t, std::shared_ptr<upstream_bridge>> all;
  const std::lock_guard lock(impl_->mutex);
  impl_->ended = true;
  all.swap(impl_->bridges);
  for (auto& [id, b] : all) b->open.reset();
}

std::vector<upstream_event> net_upstream::take() {
  std::vector<upstream_event> out;
  const std::lock_guard lock(impl_->mutex);
  std::uint64_t count;
  (void)!::read(impl_->ready.get(), &count, sizeof count);
  out.swap(impl_->events);
  return out;
}

void net_upstream::call(std::uint64_t id, std::string request) {
  auto self = impl_;
  {
    const std::lock_guard lock(self->mutex);
    if (self->pending >= self->options.max_pending)
      return self->put_locked({upstream_event::kind::failed, id, "too many calls wait for the upstream"});
    ++self->pending;
  }
  auto done = [weak = std::weak_ptr(self), id](solana::rpc_result<std::string> answer) {
    const auto alive = weak.lock();
    if (!alive) return;
    const std::lock_guard lock(alive->mutex);
    --alive->pending;
    if (alive->ended) return;
    if (answer)
      alive->put_locked({upstream_event::kind::answered, id, std::move(*answer)});
    else
      alive->put_locked({upstream_event::kind::failed, id, answer.error().error.to_string()});
  };
  self->client.async_forward(std::move(request), std::move(done));
}

void net_upstream::send(std::uint64_t id, std::string message) {
  auto self = impl_;
  std::shared_ptr<upstream_bridge> fresh;
  {
    const std::lock_guard lock(self->mutex);
    auto& b = self->bridges[id];
    if (!b) b = fresh = std::make_shared<upstream_bridge>();
    if (b->open)
      (void)b->open->send(std::move(message));  // if it has just ended, `closed` says so
    else
      b->early.push_back(std::move(message));
  }
  if (fresh) self->open_bridge(id, fresh);
}

void net_upstream::drop_bridge(std::uint64_t id) {
  std::shared_ptr<upstream_bridge> gone;
  const std::lock_guard lock(impl_->mutex);
  const auto at = impl_->bridges.find(id);
  if (at == impl_->bridges.end()) return;
  gone = std::move(at->second);
  impl_->bridges.erase(at);
  gone->open.reset();
}

}  // namespace

std::shared_ptr<rpc_upstream> make_rpc_upstream(executor ex, net::url where, rpc_upstream_options options) {
  return std::make_shared<net_upstream>(std::move(ex), std::move(where), std::move(options));
}

}  // namespace osvm::ledger
