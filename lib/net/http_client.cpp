#include <osvm/net/http_client.hpp>

#include "net/connect.hpp"
#include "net/operation.hpp"
#include "net/pool.hpp"
#include "net/response_reader.hpp"

#include <algorithm>
#include <atomic>

namespace osvm::net {
namespace {

bool token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool is_token(std::string_view s) {
  return !s.empty() && std::ranges::all_of(s, token_char);
}
// Nothing that the caller passes on may end a line: that would be a second request.
result<> check(const http_request& r) {
  const error bad(osvm::errc::invalid_argument, "a method or field that would break the request");
  if (!is_token(r.method) || r.where.target.find_first_of(" \r\n") != std::string::npos) return bad;
  for (const auto& f : r.fields) {
    const bool own = same_word(f.name, "host") || same_word(f.name, "content-length") ||
                     same_word(f.name, "connection") || same_word(f.name, "transfer-encoding");
    const bool breaks = std::ranges::any_of(
        f.value, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (!is_token(f.name) || own || breaks) return bad;
  }
  return {};
}

std::string write_request(const http_request& r, const std::string& user_agent) {
  std::string out = r.method + " " + r.where.target + " HTTP/1.1\r\nHost: " + r.where.authority() + "\r\n";
  if (!user_agent.empty()) out += "User-Agent: " + user_agent + "\r\n";
  if (!r.body.empty() || r.method == "POST" || r.method == "PUT")
    out += "Content-Length: " + std::to_string(r.body.size()) + "\r\n";
  for (const auto& f : r.fields) out += f.name + ": " + f.value + "\r\n";
  out += "\r\n";
  out += r.body;
  return out;
}

}  // namespace

const std::string* http_response::find(std::string_view name) const noexcept {
  const auto at = std::ranges::find_if(fields, [&](const http_field& f) { return same_word(f.name, name); });
  return at == fields.end() ? nullptr : &at->value;
}

struct http_client::impl {
  impl(executor e, http_client_options o)
      : ex(std::move(e)), options(std::move(o)), pool(options.max_idle, options.idle_timeout) {}
  executor ex;
  http_client_options options;
  connection_pool pool;
  std::shared_ptr<operation_set> running = std::make_shared<operation_set>();
  std::atomic<std::uint64_t> requests = 0, connects = 0, reused = 0, failures = 0;

  struct attempt {
    result<http_response> outcome = error(asio::error::operation_aborted, "");
    bool answered = false;  // a byte of the answer came
  };
  asio::awaitable<void> exchange(std::unique_ptr<stream> s, const http_request& r,
                                 std::shared_ptr<watchdog> dog, attempt& out);
  asio::awaitable<result<>> receive(stream& s, response_reader& in);
  asio::awaitable<result<http_response>> fetch(http_request r, std::shared_ptr<watchdog> dog);
  result<dial_options> dialling(const url& where);
  std::mutex tls_mutex;  // options.dial.tls
};

// Reading the host's certificates takes longer than a handshake: once is enough.
result<dial_options> http_client::impl::dialling(const url& where) {
  const std::lock_guard lock(tls_mutex);
  if (where.tls && !options.dial.tls) {
    OSVM_TRY(options.dial.tls, tls_client::make());
  }
  return options.dial;
}

asio::awaitable<result<>> http_client::impl::receive(stream& s, response_reader& in) {
  std::string waiting;
  std::vector<char> buffer(16 << 10);
  while (!in.done()) {
    auto n = co_await s.read_some(buffer);
    if (!n && n.error().code == asio::error::eof) {
      auto ended = in.finish();
      if (!ended) co_return std::move(ended).error();
      break;
    }
    if (!n) co_return std::move(n).error();
    waiting.append(buffer.data(), *n);
    auto taken = in.take(waiting);
    if (!taken) co_return std::move(taken).error();
    waiting.erase(0, *taken);
  }
  // What nobody asked for makes the connection useless.
  if (!waiting.empty()) s.close();
  co_return result<>();
}

asio::awaitable<void> http_client::impl::exchange(std::unique_ptr<stream> s, const http_request& r,
                                                  std::shared_ptr<watchdog> dog, attempt& out) {
  dog->guard([raw = s.get()] { raw->close(); });
  response_reader in({options.max_head, r.max_body, r.method == "HEAD"});
  const auto text = write_request(r, options.user_agent);
  auto sent = co_await s->write(text);
  // A server that refuses a large body answers before it has taken it: what it says is read all the same.
  auto received = co_await receive(*s, in);
  dog->guard(nullptr);
  out.answered = in.started();
  if (!received) {
    out.outcome = !sent && !out.answered ? std::move(sent).error() : std::move(received).error();
    co_return;
  }
  const bool keep = sent && in.keep_alive() && s->quiet();
  out.outcome = in.release();
  if (keep) pool.give(r.where.origin(), std::move(s));
}

asio::awaitable<result<http_response>> http_client::impl::fetch(http_request r,
                                                                std::shared_ptr<watchdog> dog) {
  const auto what = r.method + " " + r.where.origin();
  const auto origin = r.where.origin();
  for (bool may_reuse = true;; may_reuse = false) {
    auto s = may_reuse ? pool.take(origin) : nullptr;
    const bool old = s != nullptr;
    if (old) ++reused;
    if (!old) {
      ++connects;
      auto how = dialling(r.where);
      if (!how) co_return std::move(how).error();
      auto made = co_await connect_stream(r.where, std::move(*how), dog);
      if (!made) co_return std::move(made).error();
      s = std::move(*made);
    }
    attempt one;
    co_await exchange(std::move(s), r, dog, one);
    if (one.outcome) co_return std::move(one.outcome);
    if (old && !one.answered && r.idempotent && !dog->ended()) continue;  // the kept connection was dead
    co_return dog->explain(std::move(one.outcome).error(), what);
  }
}

http_client::http_client(executor ex, http_client_options options)
    : impl_(std::make_shared<impl>(std::move(ex), std::move(options))) {}

http_client::~http_client() {
  impl_->running->end_all();
  impl_->pool.clear();
}

const executor& http_client::get_executor() const noexcept {
  return impl_->ex;
}

http_client_stats http_client::stats() const {
  return {impl_->requests, impl_->connects, impl_->reused, impl_->failures};
}

void http_client::start(http_request request, http_handler handler) {
  auto self = impl_;
  ++self->requests;
  auto body = [self, r = std::move(request)](
                  std::shared_ptr<watchdog> dog) mutable -> asio::awaitable<result<http_response>> {
    auto fine = check(r);
    result<http_response> out = error(asio::error::operation_aborted, "");
    if (!fine)
      out = std::move(fine).error();
    else
      out = co_await self->fetch(r, dog);
    if (!out) ++self->failures;
    co_return std::move(out);
  };
  const auto until = deadline::after(request.timeout);
  run_operation<result<http_response>>(self->ex, asio::make_strand(self->ex), self->running,
                                       self->options.max_connections, until, std::move(handler),
                                       std::move(body));
}

}  // namespace osvm::net
