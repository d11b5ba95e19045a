#include "hotswap/proxy/http2_stream.hpp"

#include "hotswap/http1/chars.hpp"
#include "hotswap/proxy/http2_session.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

namespace osvm::hotswap::detail {
namespace {

// A session that has this much waiting for the client waits, too.
constexpr std::size_t most_waiting = 64 * 1024;
constexpr std::size_t keep_capacity = 4096;

}  // namespace

// --- request ---

void http2_stream::begin(bool ended) {
  ended_ = ended;
  chunked_ = !ended && request_.unsized();
  to_head_ = request_.to_head();
  in_ = request_.take(chunked_);
}

void http2_stream::add_body(std::string_view bytes) {
  if (!user) {  // nobody wants it any more
    if (of_) of_->consume(*this, bytes.size());
    return;
  }
  owed_ += bytes.size();
  if (!chunked_) {
    in_.append(bytes);
  } else if (!bytes.empty()) {
    char size[24];
    const int n = std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    in_.append(size, static_cast<std::size_t>(n)).append(bytes).append("\r\n");
  }
}

void http2_stream::end() {
  if (chunked_) in_.append("0\r\n\r\n");
  ended_ = true;
}

void http2_stream::gone(bool in_order) noexcept {
  of_ = nullptr;
  in_order_ = in_order && part_ == part::done;
  if (at && !in_order_) at->broken = true;
}

io_outcome http2_stream::read(std::span<char> into) noexcept {
  const std::size_t n = std::min(into.size(), in_.size() - in_at_);
  if (n == 0) {
    if (!of_ && !in_order_) return {io_status::error, 0};
    return {ended_ || !of_ ? io_status::eof : io_status::again, 0};
  }
  std::memcpy(into.data(), in_.data() + in_at_, n);
  in_at_ += n;
  if (in_at_ < in_.size()) return {io_status::ok, n};
  in_at_ = 0;
  if (in_.capacity() > keep_capacity) {
    in_ = std::string();
  } else {
    in_.clear();
  }
  if (of_ && owed_ != 0) of_->consume(*this, std::exchange(owed_, 0));
  return {io_status::ok, n};
}

// --- response ---

io_outcome http2_stream::write(channel& ch, std::span<iovec> from) noexcept {
  if (!of_) return {io_status::error, 0};
  if (waiting() >= most_waiting) {
    ch.writable = false;
    return {io_status::again, 0};
  }
  std::size_t total = 0;
  for (const auto& part : from) {
    if (!take_response({static_cast<char*>(part.iov_base), part.iov_len})) return {io_status::error, 0};
    total += part.iov_len;
  }
  of_->wake(*this);
  return {io_status::ok, total};
}

bool http2_stream::take_response(std::span<char> bytes) {
  if (part_ == part::body) return take_body(bytes);
  if (part_ == part::done) return bytes.empty();
  head_.append(bytes.data(), bytes.size());
  while (part_ == part::head) {
    const auto found = scan_.scan(head_, http1::head_limits().max_head * 32);
    if (found.error != http1::head_error::none) return false;
    if (found.size == 0) return true;
    scan_.reset();
    if (!take_head(std::string_view(head_).substr(0, found.size))) return false;
    head_.erase(0, found.size);
  }
  std::string rest;
  rest.swap(head_);
  return take_response({rest.data(), rest.size()});
}

bool http2_stream::take_head(std::string_view text) {
  auto& r = of_->response();
  const http1::head_limits limits{
      .max_head = text.size(), .max_fields = http1::field_capacity, .max_target = 0};
  if (http1::parse_response(text, limits, to_head_, r) != http1::head_error::none) return false;
  if (!r.interim()) {
    body_.start(r.body, r.content_length, 0, http1::field_capacity);
    part_ = body_.done() ? part::done : part::body;
  }
  return pass_head(r);
}

bool http2_stream::pass_head(const http1::response_head& r) {
  std::string names;  // in lower case
  std::size_t size = 0;
  for (const auto& f : r.all()) size += f.name.size();
  names.reserve(size);
  std::vector<net::http2_field> fields;
  fields.reserve(r.field_count);
  for (const auto& f : r.all()) {
    if (r.hop_by_hop(f.name) || http1::of_one_connection(f.name)) continue;
    const std::size_t first = names.size();
    for (const char c : f.name) names.push_back(http1::lower(c));
    fields.push_back({std::string_view(names).substr(first), f.value});
  }
  auto& server = of_->server();
  if (r.interim()) return r.status == 101 ? false : server.inform(id_, r.status, fields);
  end_pulled_ = part_ == part::done;
  return server.respond(id_, r.status, fields, part_ != part::done);
}

bool http2_stream::take_body(std::span<char> bytes) {
  while (!bytes.empty() && !body_.done()) {
    const auto taken = body_.take(bytes);
    if (body_.error() != http1::body_error::none) return false;
    out_.append(bytes.data(), taken.data);
    bytes = bytes.subspan(taken.consumed);
  }
  if (body_.done()) part_ = part::done;
  of_->server().resume(id_);
  return bytes.empty();
}

net::http2_events::pulled http2_stream::pull(std::span<char> into) noexcept {
  const std::size_t n = std::min(into.size(), waiting());
  std::memcpy(into.data(), out_.data() + out_at_, n);
  out_at_ += n;
  if (waiting() == 0) {
    out_at_ = 0;
    out_.clear();
  }
  if (at && !at->writable && waiting() < most_waiting / 2 && of_) {
    at->writable = true;
    of_->touch(*this);
  }
  end_pulled_ = part_ == part::done && waiting() == 0;
  if (end_pulled_ && !user && !ended_ && of_) of_->cut_short(*this);
  return {n, end_pulled_};
}

// Only a response without a length ends by this.
void http2_stream::finish() noexcept {
  if (!of_ || part_ != part::body || !body_.finish()) return;
  part_ = part::done;
  of_->server().resume(id_);
  of_->wake(*this);
}

void http2_stream::session_left(bool in_order) noexcept {
  user = nullptr;
  at = nullptr;
  if (!of_) return;
  if (owed_ != 0) of_->consume(*this, std::exchange(owed_, 0));
  in_ = std::string();
  in_at_ = 0;
  if (part_ != part::done || !in_order) {
    of_->server().reset(id_, net::http2_reason::internal);
  } else if (end_pulled_ && !ended_) {
    of_->cut_short(*this);
  }
  of_->wake(*this);
}

}  // namespace osvm::hotswap::detail
