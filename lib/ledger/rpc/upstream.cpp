#include <osvm/ledger/rpc_upstream.hpp>

#include <osvm/core/clock.hpp>
#include <osvm/core/unique_fd.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

namespace osvm::ledger {
namespace {

// A WebSocket to the upstream for one client of ours. Under the mutex of the state.
struct upstream_bridge {
  std::optional<net::websocket> open;
  std::vector<std::string> early;  // until it is open
  std::size_t early_bytes = 0;
};

// A call that waits for its turn.
struct queued_call {
  std::uint64_t id = 0;
  std::string request;
  deadline until = deadline::never();
};

struct upstream_state : std::enable_shared_from_this<upstream_state> {
  upstream_state(executor e, net::url w, rpc_upstream_options o)
      : ex(e),
        where(std::move(w)),
        options(with_connections(std::move(o))),
        client(e, where, options.client) {
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
  std::deque<queued_call> queue;
  std::size_t running = 0, untaken = 0;
  bool ended = false;

  // Each call under way has a connection.
  static rpc_upstream_options with_connections(rpc_upstream_options o) {
    o.max_at_once = std::max<std::size_t>(o.max_at_once, 1);
    o.client.http.max_connections = std::max(o.client.http.max_connections, o.max_at_once);
    return o;
  }
  void start(queued_call c);
  void start_next();
  bool fits_locked(const std::string& text) const noexcept {
    return untaken + text.size() <= options.max_untaken;
  }
  void put_locked(upstream_event e) {
    untaken += e.text.size();
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
  void end_bridge_locked(std::uint64_t id, const error& why) {
    bridges.erase(id);
    put_locked({upstream_event::kind::closed, id, why.to_string()});
  }
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
  if (is_current(id, b)) end_bridge_locked(id, why);
}

void upstream_state::open_bridge(std::uint64_t id, const std::shared_ptr<upstream_bridge>& b) {
  auto done = [weak = weak_from_this(), id, b](result<net::websocket> w) {
    const auto self = weak.lock();
    if (!self) return;
    if (!w) return self->end_bridge(id, b, w.error());
    {
      const std::lock_guard lock(self->mutex);
      if (!self->is_current(id, b)) return;
      for (auto& m : std::exchange(b->early, {})) {
        const auto sent = w->send(std::move(m));
        if (!sent) return self->end_bridge_locked(id, sent.error());
      }
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
      if (!self->fits_locked(m->data))
        return self->end_bridge_locked(id, error(net::errc::too_slow, "it says more than can be taken"));
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
  impl_->queue.clear();
  for (auto& [id, b] : all) b->open.reset();
}

std::vector<upstream_event> net_upstream::take() {
  std::vector<upstream_event> out;
  const std::lock_guard lock(impl_->mutex);
  std::uint64_t count;
  (void)!::read(impl_->ready.get(), &count, sizeof count);
  out.swap(impl_->events);
  impl_->untaken = 0;
  return out;
}

void net_upstream::call(std::uint64_t id, std::string request) {
  auto self = impl_;
  {
    const std::lock_guard lock(self->mutex);
    if (self->queue.size() + self->running >= self->options.max_pending)
      return self->put_locked({upstream_event::kind::failed, id, "too many calls wait for the upstream"});
    self->queue.push_back({id, std::move(request), deadline::after(self->options.client.timeout)});
  }
  self->start_next();
}

// Starts what has its turn.
void upstream_state::start_next() {
  for (;;) {
    queued_call c;
    {
      const std::lock_guard lock(mutex);
      if (ended || queue.empty() || running >= options.max_at_once) return;
      c = std::move(queue.front());
      queue.pop_front();
      if (c.until.passed()) {
        put_locked({upstream_event::kind::failed, c.id, "the calls before it took too long"});
        continue;
      }
      ++running;
    }
    start(std::move(c));
  }
}

void upstream_state::start(queued_call c) {
  auto done = [weak = weak_from_this(), id = c.id](solana::rpc_result<std::string> answer) {
    const auto self = weak.lock();
    if (!self) return;
    {
      const std::lock_guard lock(self->mutex);
      --self->running;
      if (self->ended) return;
      if (!answer)
        self->put_locked({upstream_event::kind::failed, id, answer.error().error.to_string()});
      else if (self->fits_locked(*answer))
        self->put_locked({upstream_event::kind::answered, id, std::move(*answer)});
      else
        self->put_locked({upstream_event::kind::failed, id, "too many of its answers wait to be taken"});
    }
    self->start_next();
  };
  client.async_forward(std::move(c.request), std::move(done));
}

void net_upstream::send(std::uint64_t id, std::string message) {
  auto self = impl_;
  std::shared_ptr<upstream_bridge> fresh;
  {
    const std::lock_guard lock(self->mutex);
    auto& b = self->bridges[id];
    if (!b) b = fresh = std::make_shared<upstream_bridge>();
    if (b->open) {
      const auto sent = b->open->send(std::move(message));
      if (!sent) return self->end_bridge_locked(id, sent.error());
    } else {
      b->early_bytes += message.size();
      if (b->early_bytes > self->options.max_early)
        return self->end_bridge_locked(id, error(net::errc::too_slow, "it takes long to open"));
      b->early.push_back(std::move(message));
    }
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
