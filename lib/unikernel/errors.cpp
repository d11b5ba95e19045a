#include <osvm/unikernel/error.hpp>

namespace osvm::unikernel {
namespace {

class category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "osvm.unikernel"; }
  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::ok: return "success";
      case errc::not_an_elf: return "not an ELF program (scripts need their interpreter as the program)";
      case errc::wrong_architecture: return "not a 64-bit x86-64 Linux program";
      case errc::malformed_elf: return "malformed ELF file";
      case errc::bad_loader: return "the loader of the dynamic program cannot be used";
      case errc::too_large: return "the program exceeds the size limit or the memory budget";
      case errc::bad_policy: return "the policy cannot be applied";
      case errc::isolation_unsupported:
        return "this isolation level is unsupported; only `hardware` exists in this version";
      case errc::arguments_too_long: return "arguments and environment are too long";
      case errc::bad_template: return "the file is no template that can be used here";
      case errc::debugger_unsupported: return "the guest cannot be debugged";
      case errc::cannot_snapshot: return "the guest cannot be made a template";
    }
    return "unknown unikernel error";
  }
};

}  // namespace

const boost::system::error_category& unikernel_category() noexcept {
  static const category instance;
  return instance;
}

}  // namespace osvm::unikernel
