#include <osvm/kvm/host_facts.hpp>

namespace osvm::kvm {
namespace {

class category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "osvm.kvm"; }
  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::ok: return "success";
      case errc::no_device:
        return "no KVM on this host; hardware isolation is impossible here (weaker levels must be asked for "
               "by "
               "name: --isolation process)";
      case errc::no_permission: return "KVM is there, but this user may not use it";
      case errc::not_kvm: return "the device does not speak KVM API version 12";
      case errc::missing_feature: return "this KVM lacks a needed capability";
      case errc::probe_failed: return "the KVM self-test did not behave in a known way";
    }
    return "unknown kvm error";
  }
};

}  // namespace

const boost::system::error_category& kvm_category() noexcept {
  static const category instance;
  return instance;
}

}  // namespace osvm::kvm
