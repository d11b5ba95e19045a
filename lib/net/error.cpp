#include <osvm/net/error.hpp>

namespace osvm::net {
namespace {

class category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "osvm.net"; }
  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::ok: return "success";
      case errc::bad_url: return "use http(s)://HOST[:PORT]/PATH, ws(s)://HOST[:PORT]/PATH or unix:PATH";
      case errc::resolve_failed: return "the host name has no address";
      case errc::certificate: return "the server's certificate is not trusted; name its authority's file";
      case errc::tls: return "TLS failed";
      case errc::connection_lost: return "the connection ended before the answer was whole";
      case errc::bad_response: return "not a valid HTTP response";
      case errc::too_large: return "the answer is larger than allowed";
      case errc::upgrade_refused: return "the server does not speak WebSocket there";
      case errc::protocol: return "the peer broke the WebSocket protocol";
      case errc::closed_by_peer: return "the peer closed the WebSocket";
      case errc::too_slow: return "the peer does not take what is sent";
    }
    return "unknown net error";
  }
};

}  // namespace

const boost::system::error_category& net_category() noexcept {
  static const category instance;
  return instance;
}

}  // namespace osvm::net
