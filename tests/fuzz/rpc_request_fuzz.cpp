// link: osvm::ledger
// Bodies of JSON-RPC requests to a server over a small ledger: each gets an answer, which is JSON.
#include <osvm/ledger/ledger_writer.hpp>
#include <osvm/ledger/rpc_service.hpp>

#include <stdlib.h>

#include <filesystem>

#include "ledger/rpc/json_check.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

namespace {

using namespace osvm::ledger;

// Two empty blocks; the folder goes with the process.
class small_ledger {
 public:
  small_ledger() {
    if (::mkdtemp(folder_.data()) == nullptr) __builtin_trap();
    auto writer = ledger_writer::create(folder_ + "/ledger", {.durable = false}).value();
    for (slot_t slot = 1; slot < 3; ++slot) {
      recorded_block b{.slot = slot, .parent = slot - 1};
      b.entries.push_back({1, {}, 0});
      writer.add(b).value();
    }
    writer.finish().value();
    service_.emplace(blockstore::open(folder_ + "/ledger").value(), std::nullopt);
  }
  ~small_ledger() { std::filesystem::remove_all(folder_); }
  const rpc_service& service() const { return *service_; }

 private:
  std::string folder_ = "/tmp/osvm-fuzz-XXXXXX";
  std::optional<rpc_service> service_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const small_ledger ledger;
  const auto answer = ledger.service().handle({reinterpret_cast<const char*>(data), size});
  if (!answer.empty() && !is_json(answer, 64)) __builtin_trap();
  osvm_fuzz_accepted += answer.find("\"result\":") != std::string::npos;
  return 0;
}
