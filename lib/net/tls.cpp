#include <osvm/net/tls.hpp>

#include <openssl/x509_vfy.h>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "net/expect_peer.hpp"
#include "net/stream.hpp"

namespace osvm::net {

namespace ssl = asio::ssl;

struct tls_client::impl {
  ssl::context context{ssl::context::tls_client};
};

namespace {

result<> load(ssl::context& c, const tls_options& o) {
  if (o.certificate_file.empty() != o.key_file.empty())
    return error(osvm::errc::invalid_argument,
                 "a client certificate needs its key, and the key its certificate");
  error_code ec;
  const char* what = "the host's certificate store";
  if (o.system_authorities) c.set_default_verify_paths(ec);
  for (const auto& file : o.authority_files) {
    if (ec) break;
    what = "the authorities' file";
    c.load_verify_file(file, ec);
  }
  if (!ec && !o.certificate_file.empty()) {
    what = "the client's certificate";
    c.use_certificate_chain_file(o.certificate_file, ec);
  }
  if (!ec && !o.key_file.empty()) {
    what = "the client's key";
    c.use_private_key_file(o.key_file, ssl::context::pem, ec);
  }
  if (ec) return error(ec, what);
  return {};
}

using tls_socket = ssl::stream<raw_socket>;

error explain(SSL* s, const error_code& ec) {
  if (const auto why = SSL_get_verify_result(s); why != X509_V_OK)
    return {errc::certificate, X509_verify_cert_error_string(why)};
  if (ec == asio::error::operation_aborted) return {ec, "TLS handshake"};
  if (ec == asio::error::eof || ec == ssl::error::stream_truncated)
    return {errc::connection_lost, "the server ended the TLS handshake"};
  return {errc::tls, ec.message()};
}

class tls_stream final : public stream {
 public:
  tls_stream(raw_socket socket, tls_client tls)
      : tls_(std::move(tls)), socket_(std::move(socket), tls_.get()->context) {}

  asio::awaitable<result<>> handshake(std::string host) {
    auto* s = socket_.native_handle();
    if (!expect_peer(s, host)) co_return error(errc::tls, "the host's name is not usable");
    error_code ec;
    co_await socket_.async_handshake(ssl::stream_base::client, asio::redirect_error(asio::use_awaitable, ec));
    if (ec) co_return explain(s, ec);
    co_return result<>();
  }
  asio::awaitable<result<std::size_t>> read_some(std::span<char> into) override {
    error_code ec;
    const auto buffer = asio::buffer(into.data(), into.size());
    const auto n = co_await socket_.async_read_some(buffer, asio::redirect_error(asio::use_awaitable, ec));
    if (ec == ssl::error::stream_truncated) co_return error(errc::connection_lost, "cut without TLS's end");
    if (ec) co_return error(ec, "reading");
    co_return n;
  }
  asio::awaitable<result<>> write(std::string_view text) override { return write_all(socket_, text); }
  void close() noexcept override {
    error_code ignored;
    (void)socket_.next_layer().close(ignored);
  }
  bool quiet() noexcept override {
    // Session tickets may wait in the socket: they are records, and no reason to give the connection up, but
    // telling them from data would take reading them. A connection is cheap beside a lost request.
    return SSL_has_pending(socket_.native_handle()) == 0 && nothing_to_read(socket_.next_layer());
  }

 private:
  tls_client tls_;  // the context outlives the session
  tls_socket socket_;
};

}  // namespace

result<tls_client> tls_client::make(const tls_options& options) {
  auto made = std::make_shared<impl>();
  made->context.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                            ssl::context::no_sslv3 | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1 |
                            ssl::context::no_compression);
  OSVM_CHECK(load(made->context, options));
  return tls_client(std::move(made));
}

asio::awaitable<result<std::unique_ptr<stream>>> make_tls_stream(raw_socket socket, tls_client tls,
                                                                 std::string host) {
  auto made = std::make_unique<tls_stream>(std::move(socket), std::move(tls));
  auto done = co_await made->handshake(std::move(host));
  if (!done) co_return std::move(done).error();
  co_return std::unique_ptr<stream>(std::move(made));
}

}  // namespace osvm::net
