// The accept loop and the handshakes of one hybrid listener run as coroutines on one strand. The table of
// ports is the only thing shared with other threads; its mutex is held while a sink runs, which is what lets
// unregister_port() and the destructor promise that no sink runs afterwards.
#include <osvm/vsock/hybrid.hpp>

#include <osvm/vsock/handshake.hpp>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <limits>
#include <mutex>
#include <set>
#include <unordered_map>

#include "vsock/bound_socket.hpp"
#include "vsock/line_reader.hpp"

namespace osvm::vsock {
namespace {

namespace asio = boost::asio;
using descriptor = asio::posix::stream_descriptor;

constexpr std::uint32_t first_host_port = 1U << 30;
constexpr std::uint32_t host_port_count = 1U << 30;
// Pause before accepting again when the process has no descriptor left: waiting for readiness would spin.
constexpr std::chrono::milliseconds exhausted_pause{20};

std::uint32_t random_start() noexcept {
  std::uint32_t value = 0;
  // Not a secret: a start that differs between runs keeps tests and guests from relying on the number.
  (void)::getrandom(&value, sizeof(value), GRND_NONBLOCK);
  return value % host_port_count;
}

// Only memory exhaustion throws in these coroutines; it costs one client, never the embedder's event loop.
void ignore_failure(const std::exception_ptr&) noexcept {}

// A client between accept and the end of its CONNECT line. Lives on the listener's strand.
struct handshake {
  explicit handshake(const asio::strand<executor>& on) : socket(on), deadline(on) {}
  descriptor socket;
  asio::steady_timer deadline;
};

}  // namespace

struct hybrid_listener::state : std::enable_shared_from_this<state> {
  state(executor ex, bound_socket s, hybrid_listener_options o)
      : options(std::move(o)), strand(asio::make_strand(ex)), socket(std::move(s)), room(strand) {}

  asio::awaitable<void> accept_loop();
  asio::awaitable<void> serve(std::shared_ptr<handshake> client);
  bool accept_one(error_code& ec);
  void hand_over(std::uint32_t port, unique_fd connection);
  void shut();

  const hybrid_listener_options options;
  asio::strand<executor> strand;

  // Only on the strand.
  bound_socket socket;
  std::unique_ptr<descriptor> watch;
  asio::steady_timer room;  // cancelled when a handshake ends while the loop waits for one to end
  std::set<std::shared_ptr<handshake>> handshakes;
  bool closed = false;

  // Shared with other threads.
  std::mutex mutex;
  std::unordered_map<std::uint32_t, port_sink> ports;
  std::uint32_t next_port = random_start();
};

result<unique_fd> hybrid_request::accept() {
  const auto line = format_ok(host_port_);
  const auto sent = ::send(connection_.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(line.size())) return std::move(connection_);
  auto failure = errno_error("answer a vsock client");
  connection_.reset();
  return failure;
}

void hybrid_listener::state::hand_over(std::uint32_t port, unique_fd connection) {
  const std::lock_guard lock(mutex);
  const auto found = ports.find(port);
  if (found == ports.end()) return;  // closing without "OK" is the refusal
  const auto host_port = first_host_port + next_port;
  next_port = (next_port + 1) % host_port_count;
  found->second(hybrid_request(std::move(connection), host_port));
}

asio::awaitable<void> hybrid_listener::state::serve(std::shared_ptr<handshake> client) {
  client->deadline.expires_after(options.handshake_timeout);
  client->deadline.async_wait([client](error_code ec) {
    if (!ec) client->socket.close(ec);
  });
  line_reader reader(parse_connect);
  while (client->socket.is_open()) {
    auto line = reader.read(client->socket.native_handle());
    if (!line) break;
    if (*line) {
      client->deadline.cancel();
      hand_over((*line)->port, unique_fd(client->socket.release()));
      break;
    }
    error_code ec;
    co_await client->socket.async_wait(descriptor::wait_read, asio::redirect_error(asio::use_awaitable, ec));
    if (ec) break;
  }
  error_code ignored;
  client->deadline.cancel();
  if (client->socket.is_open()) client->socket.close(ignored);
  handshakes.erase(client);
  room.cancel();
}

// False when nothing waits, or with `ec` set when the host cannot accept now.
bool hybrid_listener::state::accept_one(error_code& ec) {
  unique_fd fd(::accept4(socket.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
      ec = errno_error("accept").code;
    return errno == ECONNABORTED || errno == EINTR;
  }
  auto client = std::make_shared<handshake>(strand);
  client->socket.assign(fd.get(), ec);
  if (ec) return false;
  (void)fd.release();
  handshakes.insert(client);
  asio::co_spawn(
      strand, [self = shared_from_this(), client]() { return self->serve(client); }, ignore_failure);
  return true;
}

asio::awaitable<void> hybrid_listener::state::accept_loop() {
  while (!closed) {
    error_code ec;
    while (!closed && handshakes.size() < options.max_handshakes && accept_one(ec)) {
    }
    if (closed) break;
    error_code ignored;
    if (ec || handshakes.size() >= options.max_handshakes) {
      room.expires_after(ec ? std::chrono::milliseconds(exhausted_pause) : options.handshake_timeout);
      co_await room.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    } else {
      co_await watch->async_wait(descriptor::wait_read, asio::redirect_error(asio::use_awaitable, ignored));
    }
  }
}

void hybrid_listener::state::shut() {
  closed = true;
  error_code ignored;
  if (watch) watch->close(ignored);
  room.cancel();
  for (const auto& client : handshakes) client->socket.close(ignored);
}

result<hybrid_listener> hybrid_listener::open(executor ex, hybrid_listener_options options) {
  if (options.max_handshakes == 0 || options.handshake_timeout.count() <= 0) {
    return error(errc::invalid_argument, "max_handshakes and handshake_timeout must be positive");
  }
  OSVM_TRY(auto socket, bound_socket::open(options.path));
  unique_fd watched(::fcntl(socket.fd(), F_DUPFD_CLOEXEC, 0));
  if (!watched) return errno_error("duplicate a socket");
  auto s = std::make_shared<state>(std::move(ex), std::move(socket), std::move(options));
  s->watch = std::make_unique<descriptor>(s->strand);
  error_code ec;
  s->watch->assign(watched.get(), ec);
  if (ec) return error(ec, "watch " + s->options.path);
  (void)watched.release();
  asio::co_spawn(
      s->strand, [s]() { return s->accept_loop(); }, ignore_failure);
  return hybrid_listener(std::move(s));
}

hybrid_listener::hybrid_listener(std::shared_ptr<state> s) noexcept : state_(std::move(s)) {}
hybrid_listener::hybrid_listener(hybrid_listener&&) noexcept = default;
hybrid_listener& hybrid_listener::operator=(hybrid_listener&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
  }
  return *this;
}
hybrid_listener::~hybrid_listener() {
  close();
}

void hybrid_listener::close() noexcept {
  if (!state_) return;
  state_->socket.stop();
  {
    const std::lock_guard lock(state_->mutex);
    state_->ports.clear();
  }
  asio::post(state_->strand, [s = state_] { s->shut(); });
  state_.reset();
}

const std::string& hybrid_listener::path() const noexcept {
  return state_->options.path;
}

result<void> hybrid_listener::register_port(std::uint32_t port, port_sink sink) {
  if (port == std::numeric_limits<std::uint32_t>::max()) {
    return error(errc::invalid_argument, "vsock port 2^32 - 1 means any port");
  }
  const std::lock_guard lock(state_->mutex);
  if (!state_->ports.emplace(port, std::move(sink)).second) {
    return error(errc::busy, "vsock port " + std::to_string(port) + " is registered already");
  }
  return {};
}

bool hybrid_listener::unregister_port(std::uint32_t port) noexcept {
  const std::lock_guard lock(state_->mutex);
  return state_->ports.erase(port) != 0;
}

}  // namespace osvm::vsock
