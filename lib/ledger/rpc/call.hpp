// What the methods of the JSON-RPC share: their parameters, their answers and how errors are said. One file
// per family of methods gives a table; service.cpp finds a method in them.
#pragma once

#include <osvm/ledger/rpc_service.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <span>

#include "cache.hpp"

namespace osvm::ledger {

namespace json = boost::json;

struct rpc_service::impl {
  impl(blockstore s, std::optional<genesis> g, rpc_options o)
      : store(std::move(s)), first(std::move(g)), options(std::move(o)) {}
  blockstore store;
  std::optional<genesis> first;
  rpc_options options;
  mutable rpc_cache cache{};
};

// An answer that is an error: code, message and a value for "data".
struct rpc_error {
  rpc_error() = default;
  rpc_error(int c, std::string m, std::string d = {}) : code(c), message(std::move(m)), data(std::move(d)) {}
  int code = 0;
  std::string message, data;
};

using answer = boost::system::result<std::string, rpc_error>;
template <class T>
using rpc_result = boost::system::result<T, rpc_error>;
[[noreturn]] void throw_exception_from_error(const rpc_error& e, const boost::source_location&);

rpc_error invalid(std::string what);
// Fewer parameters than the method needs.
answer missing(std::size_t n);

// The parameters of one call.
class parameters {
 public:
  explicit parameters(const json::value* v) : array_(v && v->is_array() ? &v->get_array() : nullptr) {}
  const json::value* at(std::size_t i) const {
    return array_ && i < array_->size() && !(*array_)[i].is_null() ? &(*array_)[i] : nullptr;
  }
  std::size_t size() const { return array_ ? array_->size() : 0; }

 private:
  const json::array* array_;
};

struct call {
  const rpc_service::impl& at;
  parameters params;
  const blockstore& store() const { return at.store; }
};

// The object at `index` of the parameters, or null.
const json::object* config_of(const call& c, std::size_t index);
// Null where there is no such field or it is null.
const json::value* field(const json::object* config, std::string_view name);
std::string type_name(const json::value& v);
rpc_result<std::uint64_t> number(const json::value& v);
rpc_result<bool> flag(const json::object* config, std::string_view name, bool otherwise);
rpc_result<commitment> read_commitment(const json::object* config);
// The same, refusing `processed`.
rpc_result<commitment> settled_commitment(const json::object* config);
// -32016 when `slot` is behind what the configuration asks for.
rpc_result<slot_t> not_before(const json::object* config, slot_t slot);
// Encoding, details, rewards, version and commitment: the second parameter of getBlock and its like.
rpc_result<block_query> read_block_query(const call& c);
rpc_result<solana::pubkey> read_pubkey(const json::value& v);
rpc_result<solana::signature> read_signature(const json::value& v);

// What the ledger says in a validator's words.
rpc_error translate(const call& c, const error& e, slot_t slot);
answer wrap(const call& c, result<std::string> made, slot_t slot = 0);

#define RPC_TRY(decl, ...)                                                              \
  auto OSVM_CONCAT(rpc_try_, __LINE__) = (__VA_ARGS__);                                 \
  if (!OSVM_CONCAT(rpc_try_, __LINE__)) return OSVM_CONCAT(rpc_try_, __LINE__).error(); \
  decl = std::move(OSVM_CONCAT(rpc_try_, __LINE__)).value()

// Without it a method is asked of the upstream, where there is one; else its answer is the error that says
// so.
enum class served_from : std::uint8_t {
  ledger,    // alone
  accounts,  // that were loaded from files or a snapshot
  bank,      // of a snapshot that was loaded
  nothing,   // known here only as something that a ledger does not know
};

struct rpc_method {
  std::string_view name;
  answer (*run)(const call&);
  served_from source = served_from::ledger;
};
// Every table of methods.
std::span<const std::span<const rpc_method>> method_tables() noexcept;
// What only a node that follows the cluster can do.
std::span<const std::string_view> live_methods() noexcept;
std::span<const rpc_method> history_methods() noexcept;  // blocks, transactions, signatures
std::span<const rpc_method> cluster_methods() noexcept;  // slots, epochs, the node
std::span<const rpc_method> account_methods() noexcept;  // accounts of snapshots and files
std::span<const rpc_method> token_methods() noexcept;
std::span<const rpc_method> stake_methods() noexcept;   // validators, inflation, rewards
std::span<const rpc_method> leader_methods() noexcept;  // leader schedules, block production
std::span<const rpc_method> supply_methods() noexcept;
std::span<const rpc_method> fee_methods() noexcept;  // blockhashes and fees

}  // namespace osvm::ledger
