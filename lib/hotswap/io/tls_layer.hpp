// TLS between a channel and its socket.
#pragma once

#include "hotswap/io/shard.hpp"
#include "net/tls_session.hpp"

namespace osvm::hotswap::detail {

class tls_layer final : public layer, private net::tls_transport {
 public:
  // Null: out of memory.
  static std::unique_ptr<tls_layer> make(shard& s, std::shared_ptr<const net::tls_server> server);
  // The client's side. `name`: whom the certificate must be for. Null as above, or the name is not usable.
  static std::unique_ptr<tls_layer> make(shard& s, std::shared_ptr<const net::tls_connector> connector,
                                         const std::string& name);
  explicit tls_layer(shard& s) noexcept : shard_(s) {}
  ~tls_layer() override;

  net::tls_status handshake() noexcept { return session_->handshake(); }
  const net::tls_session& session() const noexcept { return *session_; }

  io_outcome read(shard& s, channel& ch, std::span<char> into) noexcept override;
  io_outcome write(shard& s, channel& ch, std::span<iovec> from) noexcept override;
  void finish(shard& s, channel& ch) noexcept override;
  void reset() noexcept override { quiet_ = true; }
  void attach(channel& ch) noexcept override { at_ = &ch; }

 private:
  std::ptrdiff_t receive(std::span<char> into) noexcept override;
  std::ptrdiff_t send(std::string_view bytes) noexcept override;

  shard& shard_;
  channel* at_ = nullptr;  // whose socket it is
  std::unique_ptr<net::tls_session> session_;
  bool quiet_ = false;
};

}  // namespace osvm::hotswap::detail
