// What a growing ledger has to tell: the difference between two looks at it, in the words of Solana's
// subscriptions. Sans I/O.
#pragma once

#include "call.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace osvm::ledger {

// What came since the last look. At most `most` slots of each kind, the newest.
struct ledger_step {
  static constexpr std::size_t most = 128;
  struct full_slot {
    slot_t slot = 0, parent = 0;
  };
  std::vector<full_slot> processed{};
  std::vector<slot_t> confirmed{}, finalized{};  // ascending
  slot_t root = 0;
  bool last = true;  // of the pieces of a step
  bool empty() const noexcept { return processed.empty() && confirmed.empty() && finalized.empty(); }
  // The same in pieces of one slot, so that no more than one is rendered at a time.
  std::vector<ledger_step> pieces() const;
};

// Remembers where the ledger was. Not thread-safe.
class ledger_feed final {
 public:
  explicit ledger_feed(const rpc_service::impl& at);
  ledger_step advance();

 private:
  std::vector<ledger_step::full_slot> new_full_slots(slot_t highest);

  const rpc_service::impl& at_;
  std::shared_ptr<const ledger_bounds> seen_;
  // Full slots that were told: those of the last 512, as slots become full in any order.
  std::set<slot_t> told_;
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
// subscriptions: `cache` lives as long as the step. Signatures are looked for at a step's last piece.
using result_texts = std::shared_ptr<const std::vector<std::string>>;
using text_cache = std::map<std::string, result_texts>;
result_texts results_of(const rpc_service::impl& at, const subscription& s, const ledger_step& step,
                        text_cache& cache);
// Of a signature that is there already; empty when it is not.
std::string signature_result(const rpc_service::impl& at, const subscription& s);

}  // namespace osvm::ledger
