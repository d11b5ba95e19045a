#include <osvm/ledger/error.hpp>

namespace osvm::ledger {
namespace {

class category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "osvm.ledger"; }
  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::ok: return "success";
      case errc::corrupt: return "the file is damaged";
      case errc::unsupported_format: return "this reader does not know that format";
      case errc::lost: return "the row lies in a missing or damaged file";
      case errc::not_a_ledger:
        return "no RocksDB database: name the folder that holds CURRENT, or the ledger folder above it";
      case errc::no_such_column: return "the ledger has no such column";
      case errc::skipped: return "the slot was skipped";
      case errc::incomplete: return "the ledger does not have all of it";
      case errc::dead: return "the slot is marked dead";
      case errc::not_rooted: return "the slot is not rooted";
      case errc::cleaned_up: return "the slot is older than what this ledger keeps";
    }
    return "unknown ledger error";
  }
};

}  // namespace

const boost::system::error_category& ledger_category() noexcept {
  static const category instance;
  return instance;
}

}  // namespace osvm::ledger
