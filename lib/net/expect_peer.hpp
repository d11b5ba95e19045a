// Whom a TLS client's handshake must meet.
#pragma once

#include <string>

struct ssl_st;

namespace osvm::net {

// `host`: a name or an address. False: it is not usable.
bool expect_peer(ssl_st* session, const std::string& host);

}  // namespace osvm::net
