#include <osvm/core/error.hpp>

namespace osvm {
namespace {

class category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "osvm"; }
  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::ok: return "success";
      case errc::unsupported: return "unsupported on this host";
      case errc::invalid_argument: return "invalid argument";
      case errc::limit_exceeded: return "limit exceeded";
      case errc::malformed: return "malformed input";
      case errc::truncated: return "input ends too early";
      case errc::timed_out: return "deadline passed";
      case errc::cancelled: return "cancelled";
      case errc::not_found: return "not found";
      case errc::denied: return "denied";
      case errc::busy: return "busy";
      case errc::closed: return "closed";
    }
    return "unknown osvm error";
  }
};

}  // namespace

const boost::system::error_category& core_category() noexcept {
  static const category instance;
  return instance;
}

std::string error::to_string() const {
  const std::string message = code.message();
  if (context.empty()) return message;
  return context + ": " + message;
}

void throw_exception_from_error(const error& e, const boost::source_location&) {
  throw exception(e);
}

}  // namespace osvm
