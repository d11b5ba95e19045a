// A shard's part of the proxy: accepts connections, holds the pool of kept-alive connections to the release
// and the scratch objects that sessions use one at a time.
#pragma once

#include "hotswap/http1/head.hpp"
#include "hotswap/io/shard.hpp"
#include "hotswap/proxy/access_log.hpp"
#include "hotswap/proxy/routing.hpp"
#include "hotswap/proxy/state.hpp"

#include <memory>
#include <string>
#include <vector>

namespace osvm::hotswap::detail {

class upstream;

// A client connection of either mode, as the drain sees it.
class session : public actor {
 public:
  using actor::actor;
  // Ends what is in flight on `t` by force; false when nothing is.
  virtual bool cut(const target& t) = 0;
};

class front {
 public:
  front(shard& s, std::shared_ptr<proxy_state> state, std::size_t index);
  ~front();
  front(const front&) = delete;
  front& operator=(const front&) = delete;

  // Begins to accept from `listener`, a descriptor of this shard's own.
  result<void> accept_from(unique_fd listener);
  // A client connection that this shard shall serve; `from` is known where rich().
  void adopt(unique_fd client, const client_address& from);

  http1::head_limits head_limits() const noexcept {
    return {options.limits.max_head, options.limits.max_fields, options.limits.max_target};
  }
  passage enter(pool& p) { return p.routes.enter(cache_of(p)); }
  // Something that changes with each call.
  std::uint64_t turn() noexcept { return ++turn_; }
  // A kept-alive connection to `b`, or null.
  upstream* take_idle(const backend& b);
  void keep(upstream& u);
  void forget(upstream& u) noexcept;
  // Drops kept-alive connections to everything but what is routed to.
  void flush_idle();
  std::uint64_t cut(const target& t);
  void use(std::shared_ptr<routing> rules) { rules_ = std::move(rules); }
  const std::shared_ptr<routing>& rules() const noexcept { return rules_; }
  // Sessions have a session_extra.
  bool rich() const noexcept { return rich_; }
  access_log* log() const noexcept { return log_; }

  shard& home;
  const std::shared_ptr<proxy_state> state;
  const proxy_options& options;
  counters& count;
  http1::request_head request;
  http1::response_head response;
  std::string head;  // a head being written

 private:
  class acceptor;
  route_cache& cache_of(pool& p);

  std::size_t index_;
  std::vector<std::pair<std::shared_ptr<pool>, route_cache>> caches_;
  std::shared_ptr<routing> rules_;
  access_log* log_ = nullptr;
  std::uint64_t turn_ = 0;
  bool rich_ = false;
  std::vector<upstream*> idle_;
};

}  // namespace osvm::hotswap::detail
