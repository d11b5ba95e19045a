// What a proxy is made of, shared by its handle, its shards and the release engine.
#pragma once

#include "hotswap/io/shard.hpp"
#include "hotswap/proxy/counters.hpp"
#include "hotswap/proxy/pool.hpp"

#include <osvm/hotswap/proxy.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace osvm::net {
class tls_server;
}

namespace osvm::hotswap::detail {

class front;
struct routing;

// Errors: errc::bad_certificate. `before`: whose session tickets stay good.
result<std::shared_ptr<const net::tls_server>> make_tls(const tls_termination& o,
                                                        const net::tls_server* before);

class proxy_state : public std::enable_shared_from_this<proxy_state> {
 public:
  explicit proxy_state(proxy_options o) : options(std::move(o)) {}
  ~proxy_state();
  proxy_state(const proxy_state&) = delete;
  proxy_state& operator=(const proxy_state&) = delete;

  // `inherited`: a listening socket for options.listen; empty: one is made. With `hold`, nothing is accepted
  // before begin_accepting().
  result<void> open(const std::vector<executor>& executors, unique_fd inherited = {}, bool hold = false);
  void begin_accepting();
  // An inherited listener is another process's, and outlives this proxy, until then.
  void own_listener() noexcept { borrowed_ = false; }
  // For a successor.
  unique_fd listener() const noexcept { return listener_.duplicate(); }
  // A successor accepts instead: the listener goes on, in the file system, too.
  // `done`, if any, is called when no shard accepts any more.
  void stop_accepting(std::function<void()> done = {}) noexcept;
  void ask_to_leave();
  proxy_stats stats() const;
  void close() noexcept;
  // Connections that are open stay until they end.
  void stop_listening() noexcept;
  // The handle is gone: nothing but the shards' own operations keeps them from now on.
  void abandon() noexcept;
  std::vector<std::shared_ptr<shard>> shards() const;
  // Routes by these rules from now on.
  void use(const routing& rules);
  // Shows these certificates from now on. `tls`: not null.
  void use(std::shared_ptr<const net::tls_server> tls);
  // Null: it listens in clear text.
  std::shared_ptr<const net::tls_server> tls() const;
  bool closed() const noexcept { return closed_.load(); }

  // Shard on which a connection accepted by shard `mine` should live: its own unless it has clearly more.
  std::size_t place(std::size_t mine) const noexcept;
  bool full() const noexcept;

  const proxy_options options;
  endpoint local;
  bool rich = false;           // sessions know who their client is; fixed before open()
  std::shared_ptr<pool> main;  // what a proxy without rules routes to; null before open()
  executor control;
  std::vector<std::unique_ptr<counters>> counts;  // one per shard, fixed after open()
  std::vector<std::weak_ptr<shard>> parts;        // same
  std::vector<front*> fronts;                     // same; used on their shards only

 private:
  unique_fd listener_;
  std::vector<unique_fd> copies_;  // of it, for the shards, until they accept
  std::atomic<bool> closed_{false}, deaf_{false}, borrowed_{false};
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<shard>> shards_;
  std::shared_ptr<const net::tls_server> tls_;
};

}  // namespace osvm::hotswap::detail
