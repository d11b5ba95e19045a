// An asynchronous HTTP/1.1 client with TLS, deadlines, bounded answers and kept connections.
#pragma once

#include <osvm/net/dial.hpp>
#include <osvm/net/url.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <memory>
#include <vector>

namespace osvm::net {

struct http_field {
  std::string name, value;
};

struct http_request {
  url where;
  std::string method = "GET";
  std::vector<http_field> fields{};  // beside Host, Content-Length, User-Agent, Connection
  std::string body{};
  std::chrono::milliseconds timeout{30'000};  // for everything, connecting included
  std::size_t max_body = 16 << 20;            // of the answer; errc::too_large above
  // Whether doing it twice is as good as once. Then a kept connection that turns out to be dead costs one
  // more attempt; otherwise it is an error, since nobody knows what the server did.
  bool idempotent = false;
};

struct http_response {
  unsigned status = 0;
  std::vector<http_field> fields{};
  std::string body{};
  // The first field of that name (any case), or null.
  const std::string* find(std::string_view name) const noexcept;
};

struct http_client_options {
  dial_options dial{};
  std::size_t max_head = 16 << 10;   // bytes of an answer's head
  std::size_t max_connections = 64;  // at once; further requests are errc::busy
  std::size_t max_idle = 16;         // kept
  std::chrono::milliseconds idle_timeout{30'000};
  std::string user_agent = "osvm";
};

struct http_client_stats {
  std::uint64_t requests = 0, connects = 0, reused = 0, failures = 0;
};

using http_handler = boost::asio::any_completion_handler<void(result<http_response>)>;

// Thread-safe. Redirects are answers like others. Destroying it ends what is outstanding with
// errc::cancelled.
class http_client final {
 public:
  explicit http_client(executor ex, http_client_options options = {});
  ~http_client();
  http_client(const http_client&) = delete;
  http_client& operator=(const http_client&) = delete;

  // Any status is a success here. Errors: net::errc, errno, errc::timed_out, errc::cancelled, errc::busy,
  // errc::invalid_argument for a method or field that would break the request. Cancellation: terminal. The
  // handler runs on its own executor, by default on the client's.
  template <class Token = boost::asio::deferred_t>
  auto async_fetch(http_request request, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(result<http_response>)>(initiation{this}, token,
                                                                           std::move(request));
  }
  http_client_stats stats() const;
  const executor& get_executor() const noexcept;

 private:
  struct impl;
  struct initiation {
    using executor_type = executor;
    http_client* self;
    executor_type get_executor() const noexcept { return self->get_executor(); }
    void operator()(auto&& handler, http_request request) const {
      self->start(std::move(request), std::forward<decltype(handler)>(handler));
    }
  };
  void start(http_request request, http_handler handler);
  std::shared_ptr<impl> impl_;
};

}  // namespace osvm::net
