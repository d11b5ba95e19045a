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

namespace osvm::net {
class tls_server;
}

namespace osvm::hotswap::detail {

class upstream;

// A client connection of either mode, as the drain sees it.
class session : public actor {
 public:
  using actor::actor;
  // Ends what is in flight on `t` by force; false when nothing is.
  virtual bool cut(const target& t) = 0;
  // The client shall go: after its next response, or when it has nothing in flight it can be told so.
  virtual void ask_to_leave() {}
};

class front {
 public:
  front(shard& s, std::shared_ptr<proxy_state> state, std::size_t index);
  ~front();
  front(const front&) = delete;
  front& operator=(const front&) = delete;

  // Begins to accept from `listener`, a descriptor of this shard's own.
  result<void> accept_from(unique_fd listener);
  // Accepts no more; the listener itself goes on, with another process.
  void stop_accepting() noexcept;
  // Clients are asked to leave, now and from now on.
  void ask_to_leave();
  bool leaving() const noexcept { return leaving_; }
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
  // For connections that begin from now on.
  void use(std::shared_ptr<const net::tls_server> tls) { tls_ = std::move(tls); }
  // Null: clients speak in clear text.
  const std::shared_ptr<const net::tls_server>& tls() const noexcept { return tls_; }
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
  std::string head;   // a head being written
  std::string batch;  // frames being sent
  // Beside `response`: a session has that while its stream reads what it wrote.
  http1::response_head& response_of_stream() {
    if (!response_of_stream_) response_of_stream_ = std::make_unique<http1::response_head>();
    return *response_of_stream_;
  }

 private:
  class acceptor;
  route_cache& cache_of(pool& p);

  std::size_t index_;
  std::vector<std::pair<std::shared_ptr<pool>, route_cache>> caches_;
  std::shared_ptr<routing> rules_;
  std::shared_ptr<const net::tls_server> tls_;
  std::unique_ptr<http1::response_head> response_of_stream_;
  access_log* log_ = nullptr;
  std::uint64_t turn_ = 0;
  acceptor* acceptor_ = nullptr;
  bool rich_ = false;
  bool leaving_ = false;
  std::vector<upstream*> idle_;
};

}  // namespace osvm::hotswap::detail
