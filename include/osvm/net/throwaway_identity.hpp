// A certificate for an hour, for benches and tests of one's own: it is its own authority.
#pragma once

#include <osvm/net/error.hpp>

#include <string>

namespace osvm::net {

struct throwaway_identity {
  std::string certificate, key;  // PEM
};

// For the host `name`. Errors: errc::tls.
result<throwaway_identity> make_throwaway_identity(const std::string& name);

}  // namespace osvm::net
