#include "demo_node.hpp"

#include <osvm/ledger/rpc_service.hpp>

#include "guest_programs.hpp"
#include "unikernel_source.hpp"

namespace osvm::cli {
namespace {

// Asks for what the node will be asked for. The load client puts a nonce in the place of the id.
class question_list {
 public:
  explicit question_list(const ledger::rpc_service& service) : service_(service) {}

  void add(const std::string& method, const std::string& params) {
    auto body = R"({"jsonrpc":"2.0","id":"{nonce}","method":")" + method + R"(","params":[)" + params + "]}";
    auto answer = service_.handle(body);
    list_.push_back({.method = "POST",
                     .path = "/",
                     .content_type = "application/json",
                     .body = std::move(body),
                     .expected = std::move(answer)});
  }
  std::vector<hotswap::load_request> take() { return std::move(list_); }

 private:
  const ledger::rpc_service& service_;
  std::vector<hotswap::load_request> list_;
};

std::string in_encoding(const char* encoding) {
  return std::string(R"({"maxSupportedTransactionVersion":0,"encoding":")") + encoding + "\"}";
}

void ask_for_block(question_list& ask, ledger::slot_t slot) {
  const auto number = std::to_string(slot);
  ask.add("getBlock", number + "," + in_encoding("base64"));
  ask.add("getBlockTime", number);
  ask.add("getBlocks", number);
}

void ask_for_transaction(question_list& ask, const solana::signature& s) {
  const auto quoted = "\"" + s.to_string() + "\"";
  for (const char* encoding : {"json", "jsonParsed", "base64"})
    ask.add("getTransaction", quoted + "," + in_encoding(encoding));
  ask.add("getSignatureStatuses", "[" + quoted + R"(],{"searchTransactionHistory":true})");
}

hotswap::release_spec run_over(hotswap::release_spec spec, const std::string& program, std::uint16_t port,
                               const std::string& ledger) {
  unikernel_release release;
  release.arguments = {"osvm-rpc",  "--ledger",  "/ledger", "--listen", "0.0.0.0:" + std::to_string(port),
                       "--release", spec.version};
  release.budgets.memory_bytes = std::uint64_t{256} << 20;
  release.mounts = {{.host_path = ledger, .guest_path = "/ledger"}};
  spec.artifact = program;
  spec.warmup.path = "/health";  // GET / is no JSON-RPC
  spec.source_data = std::move(release);
  return spec;
}

}  // namespace

result<demo_node> demo_node::make() {
  OSVM_TRY(auto program, find_guest("osvm-rpc"));
  OSVM_TRY(auto ledger, find_shared("demo-ledger"));
  demo_node node(std::move(program), std::move(ledger));
  OSVM_CHECK(node.prepare());
  return node;
}

result<> demo_node::prepare() {
  OSVM_TRY(auto store, ledger::blockstore::open(ledger_));
  OSVM_TRY(auto first, ledger::load_genesis(ledger_));
  const ledger::rpc_service service(std::move(store), std::move(first));
  question_list ask(service);
  for (const char* method : {"getSlot", "getBlockHeight", "getGenesisHash", "getEpochInfo", "getHealth"})
    ask.add(method, "");
  std::vector<ledger::slot_t> slots;
  OSVM_CHECK(service.store().each_meta(0, [&](const ledger::slot_meta& m) {
    slots.push_back(m.slot);
    return slots.size() < 1000;
  }));
  std::size_t transactions = 0;
  for (const auto slot : slots) {
    OSVM_TRY(const auto block, service.store().read_block(slot));
    ask_for_block(ask, slot);
    for (const auto& t : block->transactions()) ask_for_transaction(ask, t.signatures[0]);
    transactions += block->transactions().size();
  }
  contents_ = std::to_string(slots.size()) + " slots, " + std::to_string(transactions) + " transactions";
  requests_ = ask.take();
  return {};
}

hotswap::release_spec demo_node::spec(hotswap::release_spec base, std::uint16_t port) const {
  return run_over(std::move(base), program_, port, ledger_);
}

hotswap::release_spec demo_node::broken_spec(hotswap::release_spec base, std::uint16_t port,
                                             const std::string& folder) const {
  return run_over(std::move(base), program_, port, folder);
}

}  // namespace osvm::cli
