// The only file that knows Beast.
#include "net/response_reader.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <algorithm>

namespace osvm::net {

namespace http = boost::beast::http;
using parser = http::response_parser<http::string_body>;

struct response_reader::impl {
  response_limits limits;
  std::optional<parser> in;
  unsigned interim = 0;
  bool started = false;

  void restart() {
    in.emplace();
    in->header_limit(static_cast<std::uint32_t>(limits.max_head));
    in->body_limit(limits.max_body);
    in->eager(true);
    if (limits.to_head) in->skip(true);
  }
};

namespace {

constexpr unsigned most_interim = 8;

error translate(const error_code& ec) {
  if (ec == http::error::header_limit || ec == http::error::body_limit)
    return {errc::too_large, ec == http::error::header_limit ? "the head" : "the body"};
  if (ec == http::error::partial_message || ec == http::error::end_of_stream)
    return {errc::connection_lost, "the answer ended early"};
  return {errc::bad_response, ec.message()};
}

template <class Message>
http_response copy_head(const Message& message) {
  http_response out{.status = message.result_int()};
  for (const auto& f : message) out.fields.push_back({std::string(f.name_string()), std::string(f.value())});
  return out;
}

}  // namespace

response_reader::response_reader(response_limits limits) : impl_(std::make_unique<impl>()) {
  impl_->limits = limits;
  impl_->restart();
}
response_reader::~response_reader() = default;

result<std::size_t> response_reader::take(std::string_view bytes) {
  auto& s = *impl_;
  std::size_t taken = 0;
  while (taken < bytes.size() && !s.in->is_done()) {
    error_code ec;
    const auto rest = bytes.substr(taken);
    const auto n = s.in->put(boost::asio::buffer(rest.data(), rest.size()), ec);
    taken += n;
    s.started = s.started || n > 0;
    if (ec && ec != http::error::need_more) return translate(ec);
    if (s.in->is_header_done() && s.in->get().result_int() < 200) {
      if (s.in->get().result_int() == 101 || ++s.interim > most_interim)
        return error(errc::bad_response, "answers before the answer");
      s.restart();
      continue;
    }
    if (ec == http::error::need_more) break;
  }
  // Beast asks for more bytes beside what it left: heads, chunk heads and trailers are bounded by this alone.
  if (!s.in->is_done() && bytes.size() - taken > s.limits.max_head) return error(errc::too_large, "the head");
  return taken;
}

result<> response_reader::finish() {
  auto& s = *impl_;
  if (s.in->is_done()) return {};
  if (!s.in->is_header_done()) return error(errc::connection_lost, "the connection ended without an answer");
  error_code ec;
  s.in->put_eof(ec);
  if (ec) return translate(ec);
  return {};
}

bool response_reader::done() const noexcept {
  return impl_->in->is_done();
}
bool response_reader::started() const noexcept {
  return impl_->started;
}
bool response_reader::keep_alive() const noexcept {
  return impl_->in->is_done() && impl_->in->keep_alive() && !impl_->in->need_eof();
}

http_response response_reader::release() {
  auto& message = impl_->in->get();
  http_response out{.status = message.result_int()};
  for (const auto& f : message) out.fields.push_back({std::string(f.name_string()), std::string(f.value())});
  out.body = std::move(message.body());
  return out;
}

result<std::optional<response_head>> read_head(std::string_view bytes, std::size_t max_head) {
  http::response_parser<http::empty_body> in;
  in.header_limit(static_cast<std::uint32_t>(max_head));
  in.skip(true);
  error_code ec;
  const auto n = in.put(boost::asio::buffer(bytes.data(), bytes.size()), ec);
  if (ec == http::error::need_more && bytes.size() <= max_head) return std::optional<response_head>();
  if (ec == http::error::need_more) return error(errc::too_large, "the head");
  if (ec) return translate(ec);
  return std::optional(response_head{copy_head(in.get()), n});
}

bool same_word(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace osvm::net
