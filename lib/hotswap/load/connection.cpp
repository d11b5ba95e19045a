#include "hotswap/load/run.hpp"

#include <osvm/core/text.hpp>

#include <algorithm>
#include <cstdio>
#include <system_error>

namespace osvm::hotswap::detail {
namespace {

constexpr std::size_t read_size = 32 * 1024;
constexpr std::size_t max_version = 64;

std::string reason_of(int e) {
  return std::generic_category().message(e);
}

}  // namespace

load_connection::load_connection(shard& s, load_run& run)
    : actor(s), run_(run), link_(*this), timeout_(*this) {}

void load_connection::send(time_point due) {
  due_ = due;
  shard_.arm(timeout_, due + run_.options().timeout);
  if (phase_ == phase::idle) return connected();
  phase_ = phase::connecting;
  last_ = 0;
  run_.opened();
  link_.start(shard_, run_.where());
  shard_.defer(*this);
}

void load_connection::on_timer(timer& which) {
  if (link_.owns(which)) {
    link_.on_timer(shard_);
    return step();
  }
  if (phase_ == phase::closed || phase_ == phase::idle) return;
  const char* where = phase_ == phase::connecting ? "while connecting" : "without a complete answer";
  close();
  finish(load_class::timeout, where);
}

void load_connection::close() {
  shard_.close(link_.ch);
  out_.clear();
  phase_ = phase::closed;
}

void load_connection::step() {
  switch (phase_) {
    case phase::closed: return;
    case phase::idle: return close();  // the peer has closed, or sends what nobody asked for
    case phase::connecting:
      link_.on_io(shard_);
      if (link_.failed()) {
        close();
        return finish(load_class::connect, reason_of(link_.error()));
      }
      if (!link_.up()) return;
      return connected();
    case phase::sending:
      if (!out_.flush(shard_, link_.ch)) break;
      if (!out_.empty()) return;
      phase_ = phase::head;
      return receive();
    case phase::head:
    case phase::body: return receive();
  }
  const int e = errno;
  close();
  finish(load_class::write, reason_of(e));
}

void load_connection::connected() {
  nonce_ = run_.next_nonce();
  floor_ = run_.order().floor();  // before the first byte leaves
  std::string text;
  run_.write_request(nonce_, text, expected_);
  matched_ = 0;
  differs_ = false;
  scan_.reset();
  buffer_.clear();
  phase_ = phase::sending;
  run_.sent();
  if (!out_.send(shard_, link_.ch, {text})) {
    const int e = errno;
    close();
    return finish(load_class::write, reason_of(e));
  }
  step();
}

void load_connection::receive() {
  const auto room = shard_.scratch().first(read_size);
  for (;;) {
    const auto r = shard_.read(link_.ch, room);
    if (r.status == io_status::again) return;
    if (r.status == io_status::error) {
      const int e = errno;
      const auto k = phase_ == phase::body ? load_class::truncated : load_class::read;
      close();
      return finish(k, reason_of(e));
    }
    if (r.status == io_status::eof) return ended();
    if (!take(room.first(r.bytes))) return;
  }
}

void load_connection::ended() {
  const bool in_body = phase_ == phase::body;
  if (in_body && body_.finish()) {
    close_ = true;
    return judge();
  }
  close();
  finish(in_body ? load_class::truncated : load_class::read,
         in_body ? "the body ended early" : "closed without an answer");
}

// False when the request is over.
bool load_connection::take(std::span<char> bytes) {
  if (phase_ == phase::head) {
    buffer_.append(bytes.data(), bytes.size());
    bytes = {buffer_.data(), buffer_.size()};
    if (!take_head(bytes)) return phase_ == phase::head;
  }
  const auto taken = body_.take(bytes);
  if (!expected_.empty()) {
    const std::string_view got(bytes.data(), taken.data);
    differs_ = differs_ || std::string_view(expected_).substr(matched_, got.size()) != got;
    matched_ += got.size();
  }
  if (body_.error() != http1::body_error::none) {
    close();
    finish(load_class::read, http1::to_string(body_.error()));
    return false;
  }
  if (!body_.done()) return true;
  if (taken.consumed < bytes.size()) close_ = true;
  judge();
  return false;
}

bool load_connection::take_head(std::span<char>& bytes) {
  auto& head = run_.head();
  const http1::head_limits limits{.max_head = run_.options().max_head};
  for (;;) {
    const std::string_view all(bytes.data(), bytes.size());
    const auto found = scan_.scan(all, limits.max_head);
    auto e = found.error;
    if (e == http1::head_error::none && found.size == 0) {
      buffer_.assign(std::string(all));
      return false;
    }
    if (e == http1::head_error::none)
      e = http1::parse_response(all.substr(0, found.size), limits, false, head);
    if (e == http1::head_error::none && head.status == 101) e = http1::head_error::bad_status_line;
    if (e != http1::head_error::none) {
      close();
      finish(load_class::read, http1::to_string(e));
      return false;
    }
    scan_.reset();
    bytes = bytes.subspan(found.size);
    if (!head.interim()) break;
  }
  phase_ = phase::body;
  status_ = head.status;
  close_ = head.close || !run_.options().keep_alive;
  nonce_ok_ = run_.nonce_name().empty() || head.find(run_.nonce_name()) == nonce_text(nonce_);
  version_.assign(run_.version_name().empty() ? std::string_view()
                                              : head.find(run_.version_name()).substr(0, max_version));
  body_.start(head.body, head.content_length, run_.options().max_body, limits.max_fields);
  return true;
}

// The answer is complete.
void load_connection::judge() {
  phase_ = phase::idle;
  if (close_) close();
  if (status_ < 200 || status_ > 299) return finish(load_class::status, "status " + std::to_string(status_));
  if (!nonce_ok_) return finish(load_class::wrong_nonce, "nonce " + nonce_text(nonce_) + " was not echoed");
  if (differs_ || matched_ < expected_.size())
    return finish(load_class::wrong_content, "not the expected body of " + std::to_string(expected_.size()) +
                                                 " bytes, after " + std::to_string(matched_));
  if (!run_.version_name().empty()) {
    const auto place = run_.order().find(version_, std::max(floor_, last_));
    if (place < 0) {
      const bool back = run_.order().find(version_, floor_) >= 0;
      return finish(load_class::misversioned,
                    "release " + printable(version_, max_version) +
                        (back ? " after a later one on this connection" : " is too old"));
    }
    last_ = place;
  }
  finish(load_class::answered, {});
}

void load_connection::finish(load_class c, std::string text) {
  timeout_.cancel();
  run_.done(*this, due_, c, version_, std::move(text));
}

}  // namespace osvm::hotswap::detail
