// What a proxy is made of, shared by its handle, its shards and the release engine.
#pragma once

#include "hotswap/io/shard.hpp"
#include "hotswap/proxy/counters.hpp"
#include "hotswap/proxy/pool.hpp"

#include <osvm/hotswap/proxy.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace osvm::hotswap::detail {

class front;
struct routing;

class proxy_state : public std::enable_shared_from_this<proxy_state> {
 public:
  explicit proxy_state(proxy_options o) : options(std::move(o)) {}
  ~proxy_state();
  proxy_state(const proxy_state&) = delete;
  proxy_state& operator=(const proxy_state&) = delete;

  result<void> open(const std::vector<executor>& executors);
  proxy_stats stats() const;
  void close() noexcept;
  // Connections that are open stay until they end.
  void stop_listening() noexcept;
  // The handle is gone: nothing but the shards' own operations keeps them from now on.
  void abandon() noexcept;
  std::vector<std::shared_ptr<shard>> shards() const;
  // Routes by these rules from now on.
  void use(const routing& rules);
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
  std::atomic<bool> closed_{false}, deaf_{false};
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<shard>> shards_;
  bool unlinked_ = false;
};

}  // namespace osvm::hotswap::detail
