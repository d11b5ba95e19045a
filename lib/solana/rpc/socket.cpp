#include <osvm/solana/rpc_client.hpp>
#include <osvm/solana/rpc_socket.hpp>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/json/parse.hpp>

#include <deque>
#include <map>

#include <osvm/solana/json_slices.hpp>

namespace osvm::solana {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

error ended() {
  return {osvm::errc::closed, "the connection to the node is closed"};
}

template <class Handler, class Outcome>
void finish(const executor& ex, Handler handler, Outcome outcome) {
  asio::post(ex, [ex, h = std::move(handler), o = std::move(outcome)]() mutable {
    const auto target = asio::get_associated_executor(h, ex);
    asio::dispatch(target, [f = std::move(h), v = std::move(o)]() mutable { std::move(f)(std::move(v)); });
  });
}

// A notification, or nothing when the message is none.
std::optional<rpc_notification> read_notification(const json::object& o, std::string_view text) {
  const auto* method = o.if_contains("method");
  const auto* params = o.if_contains("params");
  const auto* inner = params ? params->if_object() : nullptr;
  const auto* number = inner ? inner->if_contains("subscription") : nullptr;
  if (!method || !method->is_string() || !number) return std::nullopt;
  boost::system::error_code bad;
  rpc_notification out;
  out.subscription = number->to_number<std::uint64_t>(bad);
  if (bad) return std::nullopt;
  out.method = method->get_string();
  const auto slice = json_member(text, "params").value_or("");
  out.result = json_member(slice, "result").value_or("");
  return out;
}

std::size_t size_of(const rpc_notification& n) noexcept {
  return sizeof n + n.method.size() + n.result.size();
}

}  // namespace

// Runs on its strand.
struct rpc_socket::connection final : std::enable_shared_from_this<connection> {
  connection(executor e, rpc_socket_options o) : ex(e), strand(asio::make_strand(e)), options(std::move(o)) {}
  struct waiting_call {
    call_handler handler;
    std::unique_ptr<asio::steady_timer> timer;
  };
  executor ex, strand;
  rpc_socket_options options;
  net::websocket socket;
  std::map<std::uint64_t, waiting_call> calls;
  std::deque<rpc_notification> waiting;
  std::size_t waiting_bytes = 0;
  std::optional<next_handler> next;
  std::optional<error> over;
  std::uint64_t next_id = 1;

  void read();
  void take(const std::string& text);
  void end(error why);
  void call(std::string method, std::string params, call_handler handler);
  void complete(std::uint64_t id, rpc_result<std::string> outcome);
};

void rpc_socket::connection::end(error why) {
  if (over) return;
  over = std::move(why);
  socket = {};
  for (auto all = std::exchange(calls, {}); auto& [id, c] : all) {
    c.timer->cancel();
    finish(ex, std::move(c.handler), rpc_result<std::string>(rpc_failure(*over)));
  }
  // What came before the end can still be taken.
  if (next) {
    finish(ex, std::move(*next), rpc_result<rpc_notification>(rpc_failure(*over)));
    next.reset();
  }
}

void rpc_socket::connection::read() {
  auto done = [weak = weak_from_this()](result<net::websocket_message> m) {
    const auto self = weak.lock();
    if (!self || self->over) return;
    if (!m) return self->end(std::move(m).error());
    self->take(m->data);
    if (!self->over) self->read();
  };
  socket.async_read(asio::bind_executor(strand, std::move(done)));
}

void rpc_socket::connection::take(const std::string& text) {
  json::parse_options how;
  how.max_depth = options.max_depth;
  boost::system::error_code failed;
  const auto v = json::parse(text, failed, {}, how);
  const auto* o = failed ? nullptr : v.if_object();
  if (!o) return end(error(rpc_errc::bad_answer, "what the node sent is not JSON-RPC"));
  if (auto n = read_notification(*o, text)) {
    if (next) {
      auto handler = std::move(*next);
      next.reset();
      return finish(ex, std::move(handler), rpc_result<rpc_notification>(std::move(*n)));
    }
    const auto bytes = size_of(*n);
    if (waiting.size() >= options.max_waiting || waiting_bytes + bytes > options.max_waiting_bytes)
      return end(error(rpc_errc::overrun, ""));
    waiting_bytes += bytes;
    return waiting.push_back(std::move(*n));
  }
  const auto* id = o->if_contains("id");
  if (!id || !id->is_int64()) return;  // an answer to nothing that was asked
  const auto number = static_cast<std::uint64_t>(id->get_int64());
  complete(number, read_rpc_answer(text, std::to_string(number), options.max_depth));
}

void rpc_socket::connection::complete(std::uint64_t id, rpc_result<std::string> outcome) {
  auto found = calls.extract(id);
  if (found.empty()) return;
  found.mapped().timer->cancel();
  finish(ex, std::move(found.mapped().handler), std::move(outcome));
}

void rpc_socket::connection::call(std::string method, std::string params, call_handler handler) {
  const auto refuse = [&](error e) {
    finish(ex, std::move(handler), rpc_result<std::string>(rpc_failure(std::move(e))));
  };
  if (over) return refuse(*over);
  if (calls.size() >= options.max_calls) return refuse(error(osvm::errc::busy, "too many calls at once"));
  const auto id = next_id++;
  const auto sent = socket.send("{\"jsonrpc\":\"2.0\",\"id\":" + std::to_string(id) + ",\"method\":\"" +
                                method + "\",\"params\":" + (params.empty() ? "[]" : params) + "}");
  if (!sent) return refuse(sent.error());
  auto timer = std::make_unique<asio::steady_timer>(strand, options.call_timeout);
  timer->async_wait([weak = weak_from_this(), id, method](error_code ec) {
    const auto self = weak.lock();
    if (!ec && self) self->complete(id, rpc_failure(error(osvm::errc::timed_out, method + " took too long")));
  });
  calls.emplace(id, waiting_call{std::move(handler), std::move(timer)});
}

// The handle: its end is the connection's.
struct rpc_socket::impl {
  explicit impl(std::shared_ptr<connection> c) : at(std::move(c)) {}
  ~impl() {
    asio::post(at->strand, [c = at] { c->end(ended()); });
  }
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  std::shared_ptr<connection> at;
};

executor rpc_socket::own_executor() const noexcept {
  return impl_->at->ex;
}

void rpc_socket::start_open(executor ex, net::url where, rpc_socket_options options, open_handler handler) {
  auto socket_options = options.socket;
  auto c = std::make_shared<connection>(ex, std::move(options));
  auto done = [c, h = std::move(handler)](result<net::websocket> w) mutable {
    if (!w) return finish(c->ex, std::move(h), rpc_result<rpc_socket>(rpc_failure(std::move(w).error())));
    c->socket = std::move(*w);
    c->read();
    rpc_socket out;
    out.impl_ = std::make_shared<impl>(c);
    finish(c->ex, std::move(h), rpc_result<rpc_socket>(std::move(out)));
  };
  net::websocket::async_open(ex, std::move(where), std::move(socket_options),
                             asio::bind_executor(c->strand, std::move(done)));
}

void rpc_socket::start_call(std::string method, std::string params, call_handler handler) {
  auto c = impl_->at;
  asio::post(c->strand, [c, m = std::move(method), p = std::move(params), h = std::move(handler)]() mutable {
    c->call(std::move(m), std::move(p), std::move(h));
  });
}

void rpc_socket::start_next(next_handler handler) {
  auto c = impl_->at;
  asio::post(c->strand, [c, h = std::move(handler)]() mutable {
    using outcome = rpc_result<rpc_notification>;
    if (c->next)
      return finish(c->ex, std::move(h), outcome(rpc_failure(error(osvm::errc::busy, "one at a time"))));
    if (!c->waiting.empty()) {
      auto n = std::move(c->waiting.front());
      c->waiting.pop_front();
      c->waiting_bytes -= size_of(n);
      return finish(c->ex, std::move(h), outcome(std::move(n)));
    }
    if (c->over) return finish(c->ex, std::move(h), outcome(rpc_failure(*c->over)));
    c->next.emplace(std::move(h));
  });
}

}  // namespace osvm::solana
