// Where a client connects to, as people write it.
#pragma once

#include <osvm/net/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace osvm::net {

// A value. "https://api.example.org/rpc?key=1" and "unix:/run/node.sock" (plain HTTP over that socket).
struct url {
  bool tls = false;
  bool websocket = false;  // ws:// or wss://
  std::string host;        // a name or a literal address, lower case, without brackets; "localhost" for unix
  std::uint16_t port = 80;
  std::string target = "/";  // path and query, as they go onto the request line
  std::string unix_path;     // not empty: connect there

  // What the Host field says.
  std::string authority() const;
  // Without path and query, which may hold a secret key: what errors and logs show.
  std::string origin() const;
  bool operator==(const url&) const = default;
};

// errc::bad_url for anything else: another scheme, user names, fragments, control characters, a text longer
// than 4,096 bytes.
result<url> parse_url(std::string_view text);

}  // namespace osvm::net
