#include "net/stream.hpp"

#include <sys/socket.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace osvm::net {
namespace {

class plain_stream final : public stream {
 public:
  explicit plain_stream(raw_socket socket) : socket_(std::move(socket)) {}
  asio::awaitable<result<std::size_t>> read_some(std::span<char> into) override {
    error_code ec;
    const auto buffer = asio::buffer(into.data(), into.size());
    const auto n = co_await socket_.async_read_some(buffer, asio::redirect_error(asio::use_awaitable, ec));
    if (ec) co_return error(ec, "reading");
    co_return n;
  }
  asio::awaitable<result<>> write(std::string_view text) override {
    error_code ec;
    const auto buffer = asio::buffer(text.data(), text.size());
    co_await asio::async_write(socket_, buffer, asio::redirect_error(asio::use_awaitable, ec));
    if (ec) co_return error(ec, "writing");
    co_return result<>();
  }
  void close() noexcept override {
    error_code ignored;
    (void)socket_.close(ignored);
  }
  bool quiet() noexcept override {
    char byte;
    return socket_.is_open() && ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
  }

 private:
  raw_socket socket_;
};

}  // namespace

std::unique_ptr<stream> make_plain_stream(raw_socket socket) {
  return std::make_unique<plain_stream>(std::move(socket));
}

}  // namespace osvm::net
