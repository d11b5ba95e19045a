// TLS on a listener: the proxy ends it, releases are spoken to in clear text.
#pragma once

#include <string>
#include <vector>

namespace osvm::hotswap {

// A certificate with its key. What it is for is what its subject alternative names say.
struct tls_certificate {
  std::string chain{};  // PEM: the certificate, then those that lead to an authority
  std::string key{};    // PEM, not encrypted
  friend bool operator==(const tls_certificate&, const tls_certificate&) = default;
};

// TLS 1.2 (ECDHE with AEAD only) and 1.3, without renegotiation, compression and early data. Sessions are
// resumed by tickets, whose keys live in this process and are replaced twice a day.
struct tls_termination {
  // At least one. Clients get the one that is for the name they ask for (exact, else `*.`), else the first.
  std::vector<tls_certificate> certificates{};
  bool only_tls13 = false;
  // What is agreed on by ALPN, best first; a client that offers only other protocols is refused. L7 knows
  // "h2" and "http/1.1"; L4 passes on the bytes of whatever it is. Empty: no word about protocols.
  std::vector<std::string> protocols{"h2", "http/1.1"};
  friend bool operator==(const tls_termination&, const tls_termination&) = default;
};

}  // namespace osvm::hotswap
