// What can go wrong in the proxy and the release engine. Socket failures keep their errno.
#pragma once

#include <osvm/core/error.hpp>

namespace osvm::hotswap {

enum class errc {
  ok = 0,
  bad_listener,     // the listener's endpoint cannot be listened on (bad address, hybrid, path too long)
  bad_endpoint,     // a release's endpoint cannot be connected to (not a literal address, path too long)
  no_such_release,  // no release with this generation is or was routed to
  probe_failed,     // the probe's overall deadline passed without enough successes; the context has the last
                    // reason
  bad_response,     // an answer is not valid HTTP/1.x, or not the one that was asked for
  instance_lost,    // the instance ended by itself
  bad_certificate,  // a certificate, its chain or its key cannot be used; the context says which and why
};

const boost::system::error_category& hotswap_category() noexcept;
inline error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), hotswap_category()};
}

}  // namespace osvm::hotswap

template <>
struct boost::system::is_error_code_enum<osvm::hotswap::errc> : std::true_type {};
