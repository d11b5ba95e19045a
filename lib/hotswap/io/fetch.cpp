#include "hotswap/io/fetch.hpp"

#include "hotswap/http1/chars.hpp"

#include <system_error>

namespace osvm::hotswap::detail {
namespace {

constexpr std::size_t read_size = 16 * 1024;
constexpr std::uint64_t max_body = std::uint64_t{16} << 20;

std::string reason_of(int e) {
  return std::generic_category().message(e);
}

}  // namespace

bool usable_path(std::string_view p) noexcept {
  return !p.empty() && p.front() == '/' && http1::all_of(p, http1::target_char);
}
bool usable_host(std::string_view h) noexcept {
  return !h.empty() && http1::all_of(h, http1::host_char);
}

fetch::fetch(shard& s, fetch_request request, done_function done)
    : actor(s), request_(std::move(request)), done_(std::move(done)), link_(*this), timeout_(*this) {}
fetch::~fetch() = default;

fetch& fetch::start(shard& s, fetch_request request, done_function done) {
  auto& f = s.adopt(std::make_unique<fetch>(s, std::move(request), std::move(done)));
  s.arm(f.timeout_, std::chrono::steady_clock::now() + f.request_.timeout);
  f.link_.start(s, f.request_.where);
  s.defer(f);
  return f;
}

void fetch::on_timer(timer& which) {
  if (link_.owns(which)) {
    link_.on_timer(shard_);
    return step();
  }
  finish(link_.up() ? "no complete answer within the timeout" : "no connection within the timeout");
}

void fetch::finish(std::string failure) {
  if (!done_) return;
  outcome_.failure = std::move(failure);
  if (!outcome_.failure.empty()) outcome_.status = 0;
  const auto done = std::exchange(done_, {});
  shard_.dismiss(*this);
  done(std::move(outcome_));
}

void fetch::step() {
  if (!done_) return;
  link_.on_io(shard_);
  if (link_.failed()) return finish("connect: " + reason_of(link_.error()));
  if (!link_.up()) return;
  if (!request_.http) return finish({});
  if (!sent_) {
    sent_ = true;
    std::string text = (request_.post.empty() ? "GET " : "POST ") + request_.path +
                       " HTTP/1.1\r\nHost: " + request_.host +
                       "\r\nConnection: close\r\nUser-Agent: osvm-probe\r\n";
    if (!request_.post.empty()) {
      text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(request_.post.size()) +
              "\r\n";
    }
    text += "\r\n" + request_.post;
    if (!out_.send(shard_, link_.ch, {text})) return finish("send: " + reason_of(errno));
  } else if (!out_.flush(shard_, link_.ch)) {
    return finish("send: " + reason_of(errno));
  }
  read_response();
}

void fetch::read_response() {
  const auto room = shard_.scratch().first(read_size);
  while (done_) {
    const auto r = shard_.read(link_.ch, room);
    if (r.status == io_status::again) return;
    if (r.status == io_status::error) return finish("receive: " + reason_of(errno));
    if (r.status == io_status::eof) {
      if (in_body_ && body_.finish()) return finish({});
      return finish(in_body_ ? "the body ended early" : "closed without an answer");
    }
    if (!take(room.first(r.bytes))) return;
  }
}

// False when the attempt is over.
bool fetch::take(std::span<char> bytes) {
  if (!in_body_) {
    buffer_.append(bytes.data(), bytes.size());
    bytes = {buffer_.data(), buffer_.size()};
    if (!take_head(bytes)) return done_ != nullptr;
  }
  const auto taken = body_.take(bytes);
  if (body_.error() != http1::body_error::none) {
    finish(http1::to_string(body_.error()));
    return false;
  }
  const std::size_t room = request_.keep_body - std::min(request_.keep_body, outcome_.body.size());
  outcome_.body.append(bytes.data(), std::min(room, taken.data));
  if (!body_.done()) return true;
  finish({});
  return false;
}

// True when `bytes` is now what follows the head.
bool fetch::take_head(std::span<char>& bytes) {
  const http1::head_limits limits;
  if (!head_) head_ = std::make_unique<http1::response_head>();
  for (;;) {
    const std::string_view all(bytes.data(), bytes.size());
    const auto found = scan_.scan(all, limits.max_head);
    auto e = found.error;
    if (e == http1::head_error::none && found.size == 0) {
      buffer_.assign(std::string(all));
      return false;
    }
    if (e == http1::head_error::none)
      e = http1::parse_response(all.substr(0, found.size), limits, false, *head_);
    if (e == http1::head_error::none && head_->status == 101) e = http1::head_error::bad_status_line;
    if (e != http1::head_error::none) {
      finish(http1::to_string(e));
      return false;
    }
    scan_.reset();
    bytes = bytes.subspan(found.size);
    if (!head_->interim()) break;
  }
  outcome_.status = head_->status;
  in_body_ = true;
  body_.start(head_->body, head_->content_length, max_body, limits.max_fields);
  return true;
}

}  // namespace osvm::hotswap::detail
