// A getBlock answer back to what a validator stores: wire bytes and TransactionStatusMeta messages.
#include <osvm/ledger/recorded_block.hpp>
#include <osvm/solana/base58.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/status.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "json_fields.hpp"
#include "solana/protobuf.hpp"
#include "wire.hpp"

namespace osvm::ledger {
namespace {

namespace json = boost::json;
using solana::protobuf::builder;

constexpr std::size_t max_base58 = 100000;

std::string raw(const std::vector<std::byte>& b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

class block_reader {
 public:
  explicit block_reader(block_format_limits limits) : limits_(limits) {}

  // [[numHashes, "hash", transactions], …] as our exports have it: no RPC answer does.
  result<> entries(const json::value& list, recorded_block& out) {
    for (const auto& v : in_.array(list)) {
      const auto& e = in_.array(v);
      if (e.size() != 3)
        return error(osvm::errc::malformed, "JSON block: an entry of other than three parts");
      const auto hash = solana::hash::parse(in_.text(e[1]));
      const auto transactions = in_.number(e[2]);
      if (!hash || transactions > limits_.max_transactions)
        return error(osvm::errc::malformed, "JSON block: a malformed entry");
      out.entries.push_back({in_.number(e[0]), *hash, static_cast<std::uint32_t>(transactions)});
    }
    return in_.status();
  }
  result<recorded_block> run(const json::object& o, slot_t slot) {
    recorded_block out{.slot = slot};
    out.parent = in_.number(o, "parentSlot");
    out.blockhash = hash(o, "blockhash");
    out.previous_blockhash = hash(o, "previousBlockhash");
    if (const auto* v = in_.present(o, "blockTime")) out.time = in_.signed_number(*v);
    if (const auto* v = in_.present(o, "blockHeight")) out.height = in_.number(*v);
    rewards(o, out);
    const auto* list = in_.present(o, "transactions");
    if (!list)
      return error(osvm::errc::unsupported,
                   "a block without its transactions: ask for transactionDetails \"full\"");
    const auto& transactions = in_.array(*list);
    if (transactions.size() > limits_.max_transactions)
      return error(osvm::errc::limit_exceeded, "a block of too many transactions");
    for (const auto& t : transactions) {
      OSVM_TRY(auto one, transaction(in_.object(t)));
      out.transactions.push_back(std::move(one));
    }
    OSVM_CHECK(in_.status());
    return out;
  }

 private:
  solana::hash hash(const json::object& o, const char* name) {
    auto h = solana::hash::parse(in_.text(o, name));
    if (!h) in_.fail(name);
    return h ? *h : solana::hash{};
  }
  std::string base58(std::string_view text) {
    const auto bytes = solana::base58_decode(text, max_base58);
    if (!bytes) in_.fail("base58");
    return bytes ? raw(*bytes) : std::string();
  }
  std::string base64(std::string_view text) {
    const auto bytes = solana::base64_decode(text);
    if (!bytes) in_.fail("base64");
    return bytes ? raw(*bytes) : std::string();
  }
  std::string indexes(const json::object& o, const char* name) {
    std::string out;
    for (const auto& v : in_.array(o, name)) {
      const auto n = in_.number(v);
      if (n > 255) in_.fail(name);
      out.push_back(static_cast<char>(n));
    }
    return out;
  }

  result<recorded_transaction> transaction(const json::object& o) {
    recorded_transaction out;
    const auto* body = in_.present(o, "transaction");
    if (!body) return error(osvm::errc::malformed, "JSON block: a transaction without \"transaction\"");
    if (const auto* pair = body->if_array()) {
      const bool is_base64 = pair->size() == 2 && in_.text((*pair)[1]) == "base64";
      const auto text = pair->empty() ? std::string_view() : in_.text((*pair)[0]);
      out.wire = is_base64 ? base64(text) : base58(text);
    } else if (body->is_string()) {
      out.wire = base58(in_.text(*body));
    } else {
      OSVM_TRY(out.wire, from_fields(in_.object(*body)));
    }
    if (const auto* m = in_.present(o, "meta")) out.meta = meta(in_.object(*m));
    OSVM_CHECK(in_.status());
    return out;
  }

  // The encoding "json".
  result<std::string> from_fields(const json::object& o) {
    const auto* message = in_.present(o, "message");
    if (!message || !in_.object(*message).contains("header"))
      return error(osvm::errc::unsupported,
                   "encoding \"jsonParsed\" and details \"accounts\" lack the transactions' bytes: ask for "
                   "encoding \"base64\"");
    const auto& m = in_.object(*message);
    const auto& header = in_.object(m, "header");
    transaction_parts p;
    for (const auto& s : in_.array(o, "signatures")) p.signatures.push_back(base58(in_.text(s)));
    p.required_signatures = in_.number(header, "numRequiredSignatures");
    p.readonly_signed = in_.number(header, "numReadonlySignedAccounts");
    p.readonly_unsigned = in_.number(header, "numReadonlyUnsignedAccounts");
    for (const auto& k : in_.array(m, "accountKeys")) p.keys.push_back(base58(in_.text(k)));
    p.blockhash = base58(in_.text(m, "recentBlockhash"));
    for (const auto& v : in_.array(m, "instructions")) {
      const auto& i = in_.object(v);
      p.instructions.push_back(
          {in_.number(i, "programIdIndex"), indexes(i, "accounts"), base58(in_.text(i, "data"))});
    }
    if (const auto* lookups = in_.present(m, "addressTableLookups")) {
      p.versioned = true;
      for (const auto& v : in_.array(*lookups)) {
        const auto& l = in_.object(v);
        p.lookups.push_back({base58(in_.text(l, "accountKey")), indexes(l, "writableIndexes"),
                             indexes(l, "readonlyIndexes")});
      }
    }
    OSVM_CHECK(in_.status());
    return build_wire(p);
  }

  solana::transaction_error failure(const json::value& v) {
    solana::transaction_error out;
    const auto* o = v.if_object();
    const auto name = v.is_string() ? in_.text(v) : o && o->size() == 1 ? view(o->begin()->key()) : "";
    const auto kind = solana::transaction_error_kind(name);
    if (!kind) return in_.fail("err"), out;
    out.kind = *kind;
    if (!o) return out;
    const auto& body = o->begin()->value();
    if (const auto* named = body.if_object(); named && named->size() == 1)
      out.index = small(named->begin()->value());
    else if (const auto* pair = body.if_array(); pair && pair->size() == 2)
      out.index = small((*pair)[0]), instruction_failure((*pair)[1], out);
    else
      out.index = small(body);
    return out;
  }
  std::uint8_t small(const json::value& v) {
    const auto n = in_.number(v);
    if (n > 255) in_.fail("err");
    return static_cast<std::uint8_t>(n);
  }
  void instruction_failure(const json::value& v, solana::transaction_error& out) {
    const auto* o = v.if_object();
    const auto name = v.is_string() ? in_.text(v) : o && o->size() == 1 ? view(o->begin()->key()) : "";
    const auto kind = solana::instruction_error_kind(name);
    if (!kind) return in_.fail("err");
    out.instruction_kind = *kind;
    if (!o) return;
    const auto& detail = o->begin()->value();
    if (detail.is_string())
      out.text = in_.text(detail);
    else
      out.custom = static_cast<std::uint32_t>(in_.number(detail));
  }
  static std::string_view view(json::string_view v) { return {v.data(), v.size()}; }

  std::string balance(const json::object& b) {
    std::string out, amount;
    builder to(out), ui(amount);
    const auto& a = in_.object(b, "uiTokenAmount");
    if (const auto* v = in_.present(a, "uiAmount")) ui.real(1, in_.real(*v));
    ui.nonzero(2, in_.number(a, "decimals"));
    ui.nonempty(3, in_.text(a, "amount"));
    ui.nonempty(4, in_.text(a, "uiAmountString"));
    to.nonzero(1, in_.number(b, "accountIndex"));
    to.bytes(2, in_.text(b, "mint"));
    to.bytes(3, amount);
    if (in_.present(b, "owner")) to.bytes(4, in_.text(b, "owner"));
    if (in_.present(b, "programId")) to.bytes(5, in_.text(b, "programId"));
    return out;
  }
  std::string inner(const json::object& group) {
    std::string out;
    builder to(out);
    to.nonzero(1, in_.number(group, "index"));
    for (const auto& v : in_.array(group, "instructions")) {
      const auto& ix = in_.object(v);
      std::string one;
      builder i(one);
      i.nonzero(1, in_.number(ix, "programIdIndex"));
      i.nonempty(2, indexes(ix, "accounts"));
      i.nonempty(3, base58(in_.text(ix, "data")));
      if (const auto* h = in_.present(ix, "stackHeight")) i.integer(4, in_.number(*h));
      to.bytes(2, one);
    }
    return out;
  }
  std::string reward(const json::object& r) {
    static constexpr std::string_view types[] = {"", "Fee", "Rent", "Staking", "Voting", "DeactivatedStake"};
    std::string out;
    builder to(out);
    to.bytes(1, in_.text(r, "pubkey"));
    if (const auto* v = in_.present(r, "lamports"))
      to.nonzero(2, static_cast<std::uint64_t>(in_.signed_number(*v)));
    to.nonzero(3, in_.number(r, "postBalance"));
    const auto type = in_.present(r, "rewardType") ? in_.text(r, "rewardType") : std::string_view();
    for (std::uint32_t i = 1; i < std::size(types); ++i)
      if (type == types[i]) to.integer(4, i);
    if (const auto* c = in_.present(r, "commission")) to.bytes(5, std::to_string(in_.number(*c)));
    if (const auto* c = in_.present(r, "commissionBps")) to.bytes(6, std::to_string(in_.number(*c)));
    return out;
  }
  void rewards(const json::object& o, recorded_block& out) {
    const auto* list = in_.present(o, "rewards");
    if (!list) return;
    builder to(out.rewards.emplace());
    for (const auto& r : in_.array(*list)) to.bytes(1, reward(in_.object(r)));
    if (const auto* n = in_.present(o, "numRewardPartitions")) {
      std::string partitions;
      builder(partitions).nonzero(1, in_.number(*n));
      to.bytes(2, partitions);
    }
  }

  std::string meta(const json::object& m) {
    std::string out;
    builder to(out);
    if (const auto* e = in_.present(m, "err")) {
      std::string message;
      builder(message).bytes(1, solana::encode_transaction_error(failure(*e)));
      to.bytes(1, message);
    }
    to.nonzero(2, in_.number(m, "fee"));
    for (const auto& [name, field] : {std::pair{"preBalances", 3U}, std::pair{"postBalances", 4U}}) {
      std::string packed;
      for (const auto& v : in_.array(m, name)) builder(packed).varint(in_.number(v));
      to.nonempty(field, packed);
    }
    lists(m, to);
    loaded(m, to);
    if (const auto* v = in_.present(m, "returnData")) {
      const auto& r = in_.object(*v);
      const auto& data = in_.array(r, "data");
      std::string one;
      builder b(one);
      b.bytes(1, base58(in_.text(r, "programId")));
      b.nonempty(2, data.empty() ? std::string() : base64(in_.text(data[0])));
      to.bytes(14, one);
    } else {
      to.integer(15, 1);
    }
    if (const auto* u = in_.present(m, "computeUnitsConsumed")) to.integer(16, in_.number(*u));
    if (const auto* u = in_.present(m, "costUnits")) to.integer(17, in_.number(*u));
    return out;
  }
  void lists(const json::object& m, builder& to) {
    if (const auto* v = in_.present(m, "innerInstructions")) {
      for (const auto& g : in_.array(*v)) to.bytes(5, inner(in_.object(g)));
    } else {
      to.integer(10, 1);
    }
    if (const auto* v = in_.present(m, "logMessages")) {
      for (const auto& l : in_.array(*v)) to.bytes(6, in_.text(l));
    } else {
      to.integer(11, 1);
    }
    for (const auto& [name, field] : {std::pair{"preTokenBalances", 7U}, std::pair{"postTokenBalances", 8U}})
      if (const auto* v = in_.present(m, name))
        for (const auto& b : in_.array(*v)) to.bytes(field, balance(in_.object(b)));
    if (const auto* v = in_.present(m, "rewards"))
      for (const auto& r : in_.array(*v)) to.bytes(9, reward(in_.object(r)));
  }
  void loaded(const json::object& m, builder& to) {
    const auto* v = in_.present(m, "loadedAddresses");
    if (!v) return;
    for (const auto& [name, field] : {std::pair{"writable", 12U}, std::pair{"readonly", 13U}})
      for (const auto& k : in_.array(in_.object(*v), name)) to.bytes(field, base58(in_.text(k)));
  }

  json_fields in_;
  block_format_limits limits_;
};

}  // namespace

result<recorded_block> parse_json_block(std::string_view text, std::optional<slot_t> slot,
                                        block_format_limits limits) {
  if (text.size() > limits.max_json) return error(osvm::errc::limit_exceeded, "a block of too much JSON");
  boost::system::error_code failed;
  const auto v = json::parse({text.data(), text.size()}, failed);
  if (failed) return error(osvm::errc::malformed, "not JSON");
  const auto* o = v.if_object();
  const auto* entries = o ? o->if_contains("entries") : nullptr;
  for (const char* around : {"result", "block"}) {  // a JSON-RPC answer, or a line of an export
    if (!o || o->contains("blockhash") || !o->contains(around)) continue;
    if (const auto* s = o->if_contains("slot"); s && s->is_int64() && s->get_int64() >= 0)
      slot = static_cast<slot_t>(s->get_int64());
    o = o->at(around).if_object();
  }
  if (!o || !o->contains("blockhash")) return error(osvm::errc::malformed, "JSON without a block in it");
  if (!slot)
    return error(osvm::errc::invalid_argument,
                 "neither the block nor its file's name says its slot: give it");
  block_reader reader(limits);
  OSVM_TRY(auto out, reader.run(*o, *slot));
  if (entries) OSVM_CHECK(reader.entries(*entries, out));
  return out;
}

}  // namespace osvm::ledger
