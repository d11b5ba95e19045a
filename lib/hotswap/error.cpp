#include <osvm/hotswap/error.hpp>

namespace osvm::hotswap {
namespace {

class category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "osvm.hotswap"; }
  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::ok: return "success";
      case errc::bad_listener:
        return "cannot listen there: use a literal address with a port, or a unix socket path";
      case errc::bad_endpoint:
        return "cannot connect there: use a literal address with a port, or a socket path";
      case errc::no_such_release: return "no such release";
      case errc::probe_failed: return "not healthy within the deadline";
      case errc::bad_response: return "not a valid HTTP response";
      case errc::instance_lost: return "the instance ended by itself";
      case errc::bad_certificate:
        return "unusable certificate: give a PEM chain, its own certificate first, and the unencrypted PEM "
               "key";
    }
    return "unknown hotswap error";
  }
};

}  // namespace

const boost::system::error_category& hotswap_category() noexcept {
  static const category instance;
  return instance;
}

}  // namespace osvm::hotswap
