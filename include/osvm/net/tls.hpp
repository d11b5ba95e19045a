// Whom a TLS client trusts, and what it shows of itself.
#pragma once

#include <osvm/net/error.hpp>

#include <memory>
#include <string>
#include <vector>

namespace osvm::net {

struct tls_options {
  bool system_authorities = true;              // the host's certificate store
  std::vector<std::string> authority_files{};  // PEM, trusted as well
  std::string certificate_file{};              // PEM chain that the client shows, with its key; both or none
  std::string key_file{};
};

// Certificates and names are always verified: there is no way to switch that off. TLS 1.2 or newer. A cheap
// handle to something immutable; thread-safe.
class tls_client final {
 public:
  // Fails when a file cannot be read or holds no PEM.
  static result<tls_client> make(const tls_options& options = {});

  struct impl;
  const std::shared_ptr<impl>& get() const noexcept { return impl_; }

 private:
  explicit tls_client(std::shared_ptr<impl> i) noexcept : impl_(std::move(i)) {}
  std::shared_ptr<impl> impl_;
};

}  // namespace osvm::net
