// What a growing ledger has to tell: the difference between two looks at it, in the words of Solana's
// subscriptions. Sans I/O.
#pragma once

#include "call.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace osvm::ledger {

// What came since the last look. At most `most` slots of each kind, the newest.
struct ledger_step {
  static constexpr std::size_t most = 128;
  struct full_slot {
    slot_t slot = 0, parent = 0;
  };
  std::vector<full_slot> processed;
  std::vector<slot_t> confirmed, finalized;  // ascending
  slot_t root = 0;
  bool empty() const noexcept { return processed.empty() && confirmed.empty() && finalized.empty(); }
};

// Remembers where the ledger was. Not thread-safe.
class ledger_feed final {
 public:
  explicit ledger_feed(const rpc_service::impl& at) : at_(at), seen_(at.store.bounds()) {}
  ledger_step advance();

 private:
  const rpc_service::impl& at_;
  std::shared_ptr<const ledger_bounds> seen_;
};

struct subscription {
  enum class kind { slot, root, block, logs, signature };
  kind type = kind::slot;
  commitment level = commitment::finalized;
  block_query query{};                       // of block
  bool votes = false;                        // of logs: simple votes too
  std::optional<solana::pubkey> mentions{};  // of logs
  solana::signature signature{};             // of signature
};

// The parameters of a ...Subscribe call; errors as validators say them. Nothing: this ledger cannot do it.
rpc_result<std::optional<subscription>> read_subscription(const call& c, std::string_view method);
// "slotNotification" and so on.
std::string_view notification_name(subscription::kind type) noexcept;

// The results that a step means for a subscription, each a JSON value. Texts are made once for equal
// subscriptions: `cache` lives as long as the step.
using text_cache = std::map<std::string, std::vector<std::string>>;
std::vector<std::string> results_of(const rpc_service::impl& at, const subscription& s,
                                    const ledger_step& step, text_cache& cache);
// Of a signature that is there already; empty when it is not.
std::string signature_result(const rpc_service::impl& at, const subscription& s);

}  // namespace osvm::ledger
