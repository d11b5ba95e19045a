#include "hotswap/load/answer.hpp"

#include "hotswap/load/run.hpp"

#include <osvm/core/text.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace osvm::hotswap::detail {
namespace {

constexpr std::size_t longest_version = 64;
constexpr std::size_t longest_event = std::size_t{1} << 20;

}  // namespace

std::string nonce_text(std::uint64_t nonce) {
  char text[20];
  std::snprintf(text, sizeof text, "%016lx", nonce);
  return text;
}

std::string filled(std::string_view text, std::string_view nonce, unsigned n, std::uint64_t size) {
  std::string out;
  for (;;) {
    const auto at = text.find('{');
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at);
    const auto place = [&](std::string_view name, std::string_view value) {
      if (!text.starts_with(name)) return false;
      out += value;
      text.remove_prefix(name.size());
      return true;
    };
    if (place("{nonce}", nonce) || place("{n}", std::to_string(n)) || place("{size}", std::to_string(size)))
      continue;
    out += '{';
    text.remove_prefix(1);
  }
}

void load_answer::begin(std::int64_t from) {
  request_ = &run_.next_request();
  nonce_ = nonce_text(run_.next_nonce());
  body_size_ = request_->upload;
  body_.clear();
  if (request_->kind != load_kind::websocket && request_->upload == 0) {
    body_ = filled(request_->body, nonce_, 0, 0);
    body_size_ = body_.size();
  }
  expected_ = request_->kind == load_kind::plain ? filled(request_->expected, nonce_, 0, body_size_) : "";
  start(from);
}

void load_answer::again(std::int64_t from) {
  start(from);
}

void load_answer::start(std::int64_t from) {
  floor_ = run_.order().floor();
  from_ = from;
  pulled_ = matched_ = 0;
  status_ = messages_ = 0;
  differs_ = enough_ = false;
  events_.clear();
  version_.clear();
  echoed_.clear();
}

std::size_t load_answer::pull(std::span<char> into) noexcept {
  const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(body_size_ - pulled_, into.size()));
  if (request_->upload == 0) {
    std::memcpy(into.data(), body_.data() + pulled_, n);
  } else {
    for (std::size_t i = 0; i < n; ++i) into[i] = nonce_[(pulled_ + i) % nonce_.size()];
  }
  pulled_ += n;
  return n;
}

void load_answer::head(unsigned status, std::string_view nonce, std::string_view version) {
  status_ = status;
  echoed_.assign(nonce.substr(0, nonce_.size() + 1));
  version_.assign(version.substr(0, longest_version));
}

void load_answer::data(std::string_view bytes) {
  if (request_->kind == load_kind::events && status_ == 200) {
    events_.take(bytes, [this](std::string_view one) {
      event(one);
      return !enough_;
    });
    if (events_.held() > longest_event) differs_ = enough_ = true;
    return;
  }
  if (expected_.empty()) return;
  const auto wanted = matched_ < expected_.size() ? std::string_view(expected_).substr(matched_, bytes.size())
                                                  : std::string_view();
  differs_ = differs_ || wanted != bytes;
  matched_ += bytes.size();
}

void load_answer::event(std::string_view data) {
  ++messages_;
  if (!request_->expected.empty())
    differs_ = differs_ || filled(request_->expected, nonce_, messages_, body_size_) != data;
  enough_ = differs_ || messages_ == request_->messages;
}

std::string load_answer::message() const {
  const auto& text = request_->body.empty() ? std::string("{nonce} {n}") : request_->body;
  return filled(text, nonce_, messages_ + 1, 0);
}

bool load_answer::replied(std::string_view text) {
  const auto sent = message();
  ++messages_;
  const auto wanted =
      request_->expected.empty() ? sent : filled(request_->expected, nonce_, messages_, sent.size());
  differs_ = differs_ || wanted != text;
  enough_ = differs_ || messages_ == request_->messages;
  return !enough_;
}

std::int64_t load_answer::place() const noexcept {
  return run_.version_name().empty() ? from_ : run_.order().find(version_, std::max(floor_, from_));
}

load_verdict load_answer::judge() const {
  const bool session = request_->kind != load_kind::plain;
  const bool upgraded = request_->kind == load_kind::websocket;
  if (upgraded ? status_ != 101 : status_ < 200 || status_ > 299)
    return {load_class::status, "status " + std::to_string(status_)};
  if (!run_.nonce_name().empty() && echoed_ != nonce_)
    return {load_class::wrong_nonce, "nonce " + nonce_ + " was not echoed"};
  if (session && !differs_ && messages_ < request_->messages)
    return {load_class::truncated,
            "ended after " + std::to_string(messages_) + " of " + std::to_string(request_->messages)};
  if (session && differs_)
    return {load_class::wrong_content, "not the expected message, number " + std::to_string(messages_)};
  if (differs_ || matched_ < expected_.size())
    return {load_class::wrong_content, "not the expected body of " + std::to_string(expected_.size()) +
                                           " bytes, after " + std::to_string(matched_)};
  if (place() >= 0) return {};
  const bool back = run_.order().find(version_, floor_) >= 0;
  return {load_class::misversioned, "release " + printable(version_, longest_version) +
                                        (back ? " after a later one on this connection" : " is too old")};
}

}  // namespace osvm::hotswap::detail
