#include "net/connect.hpp"

#include <fcntl.h>
#include <sys/un.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace osvm::net {
namespace {

using tcp = asio::ip::tcp;
using generic = asio::generic::stream_protocol;

// A place where one callback leaves its outcome for a coroutine that waits no longer than its deadline: the
// system's resolver cannot be interrupted, only left behind.
template <class T>
struct mailbox {
  explicit mailbox(const executor& ex) : filled(ex, deadline::clock::time_point::max()) {}
  void put(result<T> value) {
    if (left) return;
    outcome = std::move(value);
    ready = true;
    filled.cancel();
  }
  asio::steady_timer filled;
  result<T> outcome = error(asio::error::operation_aborted, "");
  bool ready = false, left = false;
};

// `start` gets the mailbox and arranges for put() on this strand.
template <class T, class Start>
asio::awaitable<result<T>> wait_for(std::shared_ptr<watchdog> dog, Start start) {
  const executor ex = co_await asio::this_coro::executor;
  auto box = std::make_shared<mailbox<T>>(ex);
  dog->guard([box] { box->filled.cancel(); });
  start(box);
  if (!dog->ended() && !box->ready) {
    error_code ignored;
    co_await box->filled.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  dog->guard(nullptr);
  box->left = true;
  co_return std::move(box->outcome);
}

using addresses = std::vector<generic::endpoint>;

asio::awaitable<result<addresses>> resolve(url where, std::shared_ptr<watchdog> dog) {
  error_code not_literal;
  const auto literal = asio::ip::make_address(where.host, not_literal);
  if (!not_literal) co_return addresses{tcp::endpoint(literal, where.port)};
  const executor ex = co_await asio::this_coro::executor;
  auto resolver = std::make_shared<tcp::resolver>(ex);
  auto start = [&](std::shared_ptr<mailbox<addresses>> box) {
    resolver->async_resolve(where.host, std::to_string(where.port), asio::ip::resolver_base::numeric_service,
                            [box, resolver](error_code ec, tcp::resolver::results_type found) {
                              if (ec) return box->put(error(errc::resolve_failed, ec.message()));
                              addresses out;
                              for (const auto& entry : found) out.emplace_back(entry.endpoint());
                              box->put(std::move(out));
                            });
  };
  co_return co_await wait_for<addresses>(dog, std::move(start));
}

asio::awaitable<result<raw_socket>> connect_one(generic::endpoint to, std::shared_ptr<watchdog> dog) {
  raw_socket socket(co_await asio::this_coro::executor);
  error_code ec;
  // Asio's own open() makes descriptors that other programs inherit.
  const auto protocol = to.protocol();
  unique_fd fd(::socket(protocol.family(), protocol.type() | SOCK_CLOEXEC, protocol.protocol()));
  if (!fd) co_return errno_error("a socket");
  (void)socket.assign(protocol, fd.get(), ec);
  if (ec) co_return error(ec, "a socket");
  (void)fd.release();
  dog->guard([&socket] {
    error_code ignored;
    (void)socket.close(ignored);
  });
  if (!dog->ended()) co_await socket.async_connect(to, asio::redirect_error(asio::use_awaitable, ec));
  dog->guard(nullptr);
  if (dog->ended()) co_return error(asio::error::operation_aborted, "connect");
  if (ec) co_return error(ec, "connect");
  if (to.protocol().family() != AF_UNIX) (void)socket.set_option(tcp::no_delay(true), ec);
  co_return socket;
}

asio::awaitable<result<raw_socket>> connect_any(addresses to, std::shared_ptr<watchdog> dog) {
  result<raw_socket> last = error(errc::resolve_failed, "no address");
  for (const auto& address : to) {
    last = co_await connect_one(address, dog);
    if (last || dog->ended()) break;
  }
  co_return std::move(last);
}

asio::awaitable<result<raw_socket>> call_dialer(dial_function dial, std::chrono::milliseconds within,
                                                std::shared_ptr<watchdog> dog) {
  const executor ex = co_await asio::this_coro::executor;
  auto start = [&](std::shared_ptr<mailbox<unique_fd>> box) {
    dial(ex, within, [ex, box](result<unique_fd> fd) {
      asio::dispatch(ex, [box, fd = std::move(fd)]() mutable { box->put(std::move(fd)); });
    });
  };
  auto fd = co_await wait_for<unique_fd>(dog, std::move(start));
  if (!fd) co_return std::move(fd).error();
  raw_socket socket(ex);
  error_code ec;
  // The protocol only tells what later open() calls would do.
  (void)socket.assign(generic(AF_UNIX, 0), fd->get(), ec);
  if (ec) co_return error(ec, "the dialled socket");
  (void)fd->release();
  co_return socket;
}

asio::awaitable<result<raw_socket>> connect_raw(url where, dial_options options,
                                                std::shared_ptr<watchdog> dog) {
  if (options.dial) co_return co_await call_dialer(options.dial, options.connect_timeout, dog);
  if (where.unix_path.empty()) {
    auto found = co_await resolve(where, dog);
    if (!found) co_return std::move(found).error();
    co_return co_await connect_any(std::move(*found), dog);
  }
  if (where.unix_path.size() >= sizeof(sockaddr_un::sun_path))
    co_return error(errc::bad_url, "the socket's path is too long");
  addresses one{asio::local::stream_protocol::endpoint(where.unix_path)};
  co_return co_await connect_any(std::move(one), dog);
}

asio::awaitable<result<std::unique_ptr<stream>>> secure(raw_socket socket, url where, dial_options options,
                                                        std::shared_ptr<watchdog> dog) {
  if (!options.tls) {
    auto made = tls_client::make();
    if (!made) co_return std::move(made).error();
    options.tls = std::move(*made);
  }
  // The socket moves into the stream, so what the watchdog closes is a duplicate: shutdown() acts on both.
  auto twin = std::make_shared<unique_fd>(::fcntl(socket.native_handle(), F_DUPFD_CLOEXEC, 0));
  if (!*twin) co_return errno_error("a second descriptor of the socket");
  dog->guard([twin] { ::shutdown(twin->get(), SHUT_RDWR); });
  auto made = co_await make_tls_stream(std::move(socket), *options.tls, where.host);
  dog->guard(nullptr);
  co_return std::move(made);
}

}  // namespace

asio::awaitable<result<std::unique_ptr<stream>>> connect_stream(url where, dial_options options,
                                                                std::shared_ptr<watchdog> dog) {
  const executor ex = co_await asio::this_coro::executor;
  const auto limit = std::min(dog->until(), deadline::after(options.connect_timeout));
  auto inner = std::make_shared<watchdog>(ex, limit);
  // The outer one ends the inner one: by its deadline, by cancellation, by the client's end.
  dog->guard([inner] { inner->end(watchdog::verdict::cancelled); });
  inner->start();
  const auto what = "connecting to " + where.origin();
  auto socket = co_await connect_raw(where, options, inner);
  result<std::unique_ptr<stream>> out = error(asio::error::operation_aborted, "");
  if (!socket)
    out = std::move(socket).error();
  else if (where.tls)
    out = co_await secure(std::move(*socket), where, options, inner);
  else
    out = make_plain_stream(std::move(*socket));
  dog->guard(nullptr);
  if (!out) out = dog->ended() ? dog->explain(out.error(), what) : inner->explain(out.error(), what);
  inner->stop();
  co_return std::move(out);
}

}  // namespace osvm::net
