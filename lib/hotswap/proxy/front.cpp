#include "hotswap/proxy/front.hpp"

#include "hotswap/proxy/http_session.hpp"
#include "hotswap/proxy/stream_session.hpp"
#include "hotswap/proxy/tls_greeting.hpp"
#include "hotswap/proxy/upstream.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace osvm::hotswap::detail {
namespace {

constexpr int accepts_per_event = 32;
constexpr std::chrono::milliseconds accept_pause{10};

}  // namespace

class front::acceptor final : public actor {
 public:
  acceptor(front& f, unique_fd listener) : actor(f.home), front_(f), channel_(*this), pause_(*this) {
    channel_.fd = std::move(listener);
    spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  // The listener is shared with other shards, so closing this descriptor alone would not end its events.
  ~acceptor() override {
    if (front_.acceptor_ == this) front_.acceptor_ = nullptr;
    shard_.unwatch(channel_);
  }
  bool begin() { return shard_.watch(channel_, false, true); }
  void on_timer(timer&) override {
    if (!begin()) shard_.arm_in(pause_, accept_pause);
  }

  void on_io(channel&) override {
    for (int i = 0; i < accepts_per_event; ++i) {
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const bool rich = front_.rich();
      unique_fd client(::accept4(channel_.fd.get(), rich ? reinterpret_cast<sockaddr*>(&from) : nullptr,
                                 rich ? &size : nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (client) {
        take(std::move(client), rich ? client_address::of(from) : client_address());
      } else if (errno == EMFILE || errno == ENFILE) {
        if (!shed()) return pause();
      } else if (errno == EINVAL) {  // shut down: the proxy is closing
        return shard_.dismiss(*this);
      } else if (errno != EINTR && errno != ECONNABORTED) {
        return;
      }
    }
  }

 private:
  void take(unique_fd client, const client_address& from) {
    front_.count.accepted.add();
    if (front_.state->full()) {
      front_.count.refused.add();
      return;
    }
    const std::size_t to = front_.state->place(front_.index_);
    if (to == front_.index_) return front_.adopt(std::move(client), from);
    const auto other = front_.state->parts[to].lock();
    if (!other) return;
    // The shard's own reference to the state outlives the task.
    other->post([state = front_.state.get(), to, from, fd = std::move(client)](shard&) mutable {
      state->fronts[to]->adopt(std::move(fd), from);
    });
  }

  // Not even the spare descriptor helps: look again later instead of at once and for ever.
  void pause() {
    shard_.unwatch(channel_);
    shard_.arm_in(pause_, accept_pause);
  }

  // Out of descriptors: a waiting client is closed with the spare one, rather than left to spin on.
  bool shed() {
    if (!spare_) return false;
    spare_.reset();
    unique_fd client(::accept4(channel_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client) {
      front_.count.accepted.add();
      front_.count.refused.add();
    }
    const bool had = static_cast<bool>(client);
    client.reset();
    spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return had;
  }

  front& front_;
  channel channel_;
  timer pause_;
  unique_fd spare_;
};

front::front(shard& s, std::shared_ptr<proxy_state> st, std::size_t index)
    : home(s), state(std::move(st)), options(state->options), count(*state->counts[index]), index_(index) {
  caches_.emplace_back(state->main, route_cache());
  rich_ = state->rich;
}

front::~front() = default;

result<void> front::accept_from(unique_fd listener) {
  auto& a = home.adopt(std::make_unique<acceptor>(*this, std::move(listener)));
  acceptor_ = &a;
  if (!a.begin()) return errno_error("watch the listener");
  if (options.access_log && !log_) log_ = &home.adopt(std::make_unique<access_log>(home, options.access_log));
  return {};
}

void front::stop_accepting() noexcept {
  if (acceptor_) home.dismiss(*acceptor_);
  acceptor_ = nullptr;
}

void front::ask_to_leave() {
  if (std::exchange(leaving_, true)) return;
  std::vector<session*> all;
  home.for_each([&](actor& a) {
    if (auto* s = dynamic_cast<session*>(&a)) all.push_back(s);
  });
  for (auto* s : all) s->ask_to_leave();
}

// Few: one for each pool that a rule names.
route_cache& front::cache_of(pool& p) {
  for (auto& [of, cache] : caches_) {
    if (of.get() == &p) return cache;
  }
  // Pools of rules that were replaced long ago are let go now and then.
  if (caches_.size() > 64) std::erase_if(caches_, [](const auto& c) { return c.first.use_count() == 1; });
  return caches_.emplace_back(p.shared_from_this(), route_cache()).second;
}

void front::adopt(unique_fd client, const client_address& from) {
  if (tls_) {
    tls_greeting::start(*this, std::move(client), from);
  } else if (options.mode == proxy_mode::l4) {
    stream_session::start(*this, std::move(client), from);
  } else {
    http_session::start(*this, std::move(client), from);
  }
}

// The one that was used last, since it is the least likely to have been closed meanwhile.
upstream* front::take_idle(const backend& b) {
  for (std::size_t i = idle_.size(); i-- > 0;) {
    upstream* u = idle_[i];
    const bool found = &u->at() == &b;
    if (!found && u->where()->routed.load(std::memory_order_relaxed)) continue;
    idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(i));
    if (found) return u;
    home.dismiss(*u);
  }
  return nullptr;
}

void front::keep(upstream& u) {
  if (idle_.size() >= options.max_idle_upstream || !u.where()->routed.load()) {
    home.dismiss(u);
    return;
  }
  idle_.push_back(&u);
}

void front::forget(upstream& u) noexcept {
  std::erase(idle_, &u);
}

void front::flush_idle() {
  std::erase_if(idle_, [this](upstream* u) {
    if (u->where()->routed.load()) return false;
    home.dismiss(*u);
    return true;
  });
}

std::uint64_t front::cut(const target& t) {
  std::vector<session*> all;
  home.for_each([&](actor& a) {
    if (auto* s = dynamic_cast<session*>(&a)) all.push_back(s);
  });
  std::uint64_t n = 0;
  for (auto* s : all) n += s->cut(t) ? 1 : 0;
  count.cut.add(n);
  return n;
}

}  // namespace osvm::hotswap::detail
