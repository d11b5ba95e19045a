#include "net/stream.hpp"

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
  asio::awaitable<result<>> write(std::string_view text) override { return write_all(socket_, text); }
  void close() noexcept override {
    error_code ignored;
    (void)socket_.close(ignored);
  }
  bool quiet() noexcept override { return nothing_to_read(socket_); }

 private:
  raw_socket socket_;
};

}  // namespace

std::unique_ptr<stream> make_plain_stream(raw_socket socket) {
  return std::make_unique<plain_stream>(std::move(socket));
}

}  // namespace osvm::net
