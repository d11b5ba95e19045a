// How validators' libraries lay out a message (solana-message, compiled_keys.rs): every key once, with the
// rights of all its uses, sorted by value; the payer leads the writable signers.
#include <osvm/solana/message.hpp>
#include <osvm/solana/programs.hpp>

#include <algorithm>
#include <map>

namespace osvm::solana {
namespace {

constexpr std::size_t max_wire = 1232;  // what fits a packet
// SIMD-0385
constexpr std::size_t max_v1_wire = 4096, max_v1_keys = 64, max_v1_instructions = 64, max_v1_signers = 12;
constexpr std::uint32_t least_config_heap = 32 << 10, most_config_heap = 256 << 10;

std::size_t max_wire_of(message_version v) {
  return v == message_version::v1 ? max_v1_wire : max_wire;
}

struct rights {
  bool signer = false, writable = false, invoked = false;
  bool nonce = false;  // of a durable nonce: validators look for it among the static keys
};
using key_map = std::map<pubkey, rights>;

// The account that the first instruction advances, or null.
const pubkey* nonce_account(const message_plan& plan) {
  if (plan.instructions.empty()) return nullptr;
  const auto& first = plan.instructions.front();
  const bool advances =
      first.program == programs::system && first.data.starts_with(std::string_view("\4\0\0\0", 4));
  return advances && !first.accounts.empty() ? &first.accounts.front().key : nullptr;
}

key_map gather(const message_plan& plan) {
  key_map out;
  for (const auto& ix : plan.instructions) {
    out[ix.program].invoked = true;
    for (const auto& a : ix.accounts) {
      auto& r = out[a.key];
      r.signer |= a.signer;
      r.writable |= a.writable;
    }
  }
  if (const auto* nonce = nonce_account(plan)) out[*nonce].nonce = true;
  auto& payer = out[plan.payer];
  payer.signer = payer.writable = true;
  return out;
}

struct table_use {
  pubkey table;
  std::string writable, readonly;  // indexes
};

// Moves the keys with these rights that the table has out of `keys`.
result<std::string> drain(key_map& keys, const lookup_table& t, bool writable, std::vector<pubkey>& moved) {
  std::string indexes;
  for (auto at = keys.begin(); at != keys.end();) {
    const auto& [key, r] = *at;
    const auto place = std::ranges::find(t.entries, key);
    if (r.signer || r.invoked || r.nonce || r.writable != writable || place == t.entries.end()) {
      ++at;
      continue;
    }
    const auto index = place - t.entries.begin();
    if (index > 255) return error(osvm::errc::limit_exceeded, "a lookup table has at most 256 entries");
    indexes.push_back(static_cast<char>(index));
    moved.push_back(key);
    at = keys.erase(at);
  }
  return indexes;
}

struct layout {
  std::vector<pubkey> keys;  // static ones, then loaded writable, then loaded readonly
  std::size_t static_keys = 0;
  std::array<std::size_t, 3> header{};
  std::vector<table_use> tables;
};

result<layout> lay_out(const message_plan& plan) {
  auto keys = gather(plan);
  layout out;
  std::vector<pubkey> loaded_writable, loaded_readonly;
  for (const auto& t : plan.tables) {
    OSVM_TRY(auto writable, drain(keys, t, true, loaded_writable));
    OSVM_TRY(auto readonly, drain(keys, t, false, loaded_readonly));
    if (!writable.empty() || !readonly.empty())
      out.tables.push_back({t.address, std::move(writable), std::move(readonly)});
  }
  out.keys.push_back(plan.payer);
  keys.erase(plan.payer);
  const auto take = [&](bool signer, bool writable) {
    const auto before = out.keys.size();
    for (const auto& [key, r] : keys)
      if (r.signer == signer && r.writable == writable) out.keys.push_back(key);
    return out.keys.size() - before;
  };
  const auto writable_signers = 1 + take(true, true);
  out.header[1] = take(true, false);
  out.header[0] = writable_signers + out.header[1];
  take(false, true);
  out.header[2] = take(false, false);
  out.static_keys = out.keys.size();
  out.keys.insert(out.keys.end(), loaded_writable.begin(), loaded_writable.end());
  out.keys.insert(out.keys.end(), loaded_readonly.begin(), loaded_readonly.end());
  if (out.keys.size() > 256 || out.header[0] > 127)
    return error(osvm::errc::limit_exceeded, "a transaction has at most 256 keys and 127 signers");
  return out;
}

template <class Bytes>
void append_bytes(std::string& out, const Bytes& b) {
  out.append(reinterpret_cast<const char*>(b.data()), b.size());
}
void append_key(std::string& out, const pubkey& k) {
  append_bytes(out, k.view());
}
void append_counted(std::string& out, std::string_view bytes) {
  append_compact_u16(out, static_cast<std::uint16_t>(bytes.size()));
  out += bytes;
}

void append_instruction(std::string& out, const instruction& ix,
                        const std::map<pubkey, std::uint8_t>& index) {
  out.push_back(static_cast<char>(index.at(ix.program)));
  std::string accounts;
  for (const auto& a : ix.accounts) accounts.push_back(static_cast<char>(index.at(a.key)));
  append_counted(out, accounts);
  append_counted(out, ix.data);
}

std::string write(const message_plan& plan, const layout& l) {
  std::map<pubkey, std::uint8_t> index;
  for (std::size_t i = 0; i < l.keys.size(); ++i) index.emplace(l.keys[i], static_cast<std::uint8_t>(i));
  std::string out;
  if (plan.version == message_version::v0) out.push_back('\x80');
  for (const auto n : l.header) out.push_back(static_cast<char>(n));
  append_compact_u16(out, static_cast<std::uint16_t>(l.static_keys));
  for (std::size_t i = 0; i < l.static_keys; ++i) append_key(out, l.keys[i]);
  append_bytes(out, plan.blockhash.view());
  append_compact_u16(out, static_cast<std::uint16_t>(plan.instructions.size()));
  for (const auto& ix : plan.instructions) append_instruction(out, ix, index);
  if (plan.version != message_version::v0) return out;
  append_compact_u16(out, static_cast<std::uint16_t>(l.tables.size()));
  for (const auto& t : l.tables) {
    append_key(out, t.table);
    append_counted(out, t.writable);
    append_counted(out, t.readonly);
  }
  return out;
}

template <class T>
void append_number(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

std::uint32_t mask_of(const message_config& c) {
  return (c.priority_fee ? 3U : 0) | (c.compute_unit_limit ? 4U : 0) | (c.loaded_accounts_limit ? 8U : 0) |
         (c.heap_size ? 16U : 0);
}

std::string write_v1(const message_plan& plan, const layout& l) {
  std::map<pubkey, std::uint8_t> index;
  for (std::size_t i = 0; i < l.keys.size(); ++i) index.emplace(l.keys[i], static_cast<std::uint8_t>(i));
  std::string out(1, '\x81');
  for (const auto n : l.header) out.push_back(static_cast<char>(n));
  const auto& c = plan.config;
  append_number(out, mask_of(c));
  append_bytes(out, plan.blockhash.view());
  out.push_back(static_cast<char>(plan.instructions.size()));
  out.push_back(static_cast<char>(l.keys.size()));
  for (const auto& k : l.keys) append_key(out, k);
  if (c.priority_fee) append_number(out, *c.priority_fee);
  for (const auto& word : {c.compute_unit_limit, c.loaded_accounts_limit, c.heap_size})
    if (word) append_number(out, *word);
  for (const auto& ix : plan.instructions) {
    out.push_back(static_cast<char>(index.at(ix.program)));
    out.push_back(static_cast<char>(ix.accounts.size()));
    append_number(out, static_cast<std::uint16_t>(ix.data.size()));
  }
  for (const auto& ix : plan.instructions) {
    for (const auto& a : ix.accounts) out.push_back(static_cast<char>(index.at(a.key)));
    out += ix.data;
  }
  return out;
}

result<> check_v1(const message_plan& plan, const layout& l) {
  if (l.keys.size() > max_v1_keys || plan.instructions.size() > max_v1_instructions ||
      l.header[0] > max_v1_signers)
    return error(osvm::errc::limit_exceeded,
                 "a version 1 transaction has at most 64 keys, 64 instructions and 12 signers");
  for (const auto& ix : plan.instructions)
    if (ix.accounts.size() > 255)
      return error(osvm::errc::limit_exceeded, "an instruction of version 1 has at most 255 accounts");
  const auto heap = plan.config.heap_size.value_or(least_config_heap);
  if (heap < least_config_heap || heap > most_config_heap || heap % 1024)
    return error(osvm::errc::invalid_argument, "a heap has 32 to 256 KiB, in whole KiB");
  return {};
}

// What only another version of messages has.
result<> check_plan(const message_plan& plan) {
  if (plan.version != message_version::v0 && !plan.tables.empty())
    return error(osvm::errc::invalid_argument, "only version 0 messages have lookup tables");
  if (plan.version != message_version::v1 && mask_of(plan.config))
    return error(osvm::errc::invalid_argument, "only version 1 messages have a configuration");
  const auto most = max_wire_of(plan.version);
  for (const auto& ix : plan.instructions)
    if (ix.data.size() > most || ix.accounts.size() > most)
      return error(osvm::errc::limit_exceeded, "an instruction does not fit a transaction");
  if (plan.instructions.size() > most)
    return error(osvm::errc::limit_exceeded, "too many instructions for a transaction");
  return {};
}

const keypair* key_of(std::span<const keypair* const> keys, const pubkey& address) {
  const auto at = std::ranges::find_if(keys, [&](const keypair* k) { return k && k->address() == address; });
  return at == keys.end() ? nullptr : *at;
}

// `signatures` has one entry a signer; those of `keys` are made anew.
result<std::string> assemble(const message_view& m, std::vector<signature> signatures,
                             std::span<const keypair* const> keys, bool all) {
  if (m.keys.size() < m.header.required_signatures)
    return error(osvm::errc::malformed, "the message has fewer keys than signers");
  for (std::size_t i = 0; i < signatures.size(); ++i) {
    if (const auto* k = key_of(keys, m.keys[i])) {
      OSVM_TRY(signatures[i], k->sign(m.bytes));
    } else if (all) {
      return error(osvm::errc::not_found, "the key of signer " + m.keys[i].to_string() + " is not given");
    }
  }
  std::string out;
  const bool leads = m.version == message_version::v1;  // its message stands before the signatures
  if (leads) append_bytes(out, m.bytes);
  if (!leads) append_compact_u16(out, static_cast<std::uint16_t>(signatures.size()));
  for (const auto& s : signatures) append_bytes(out, s.view());
  if (!leads) append_bytes(out, m.bytes);
  transaction_view made;
  OSVM_CHECK(parse_transaction(as_bytes(out), made));
  OSVM_CHECK(sanitize(made));
  return out;
}

}  // namespace

result<std::string> build_message(const message_plan& plan) {
  OSVM_CHECK(check_plan(plan));
  OSVM_TRY(const auto l, lay_out(plan));
  const bool v1 = plan.version == message_version::v1;
  if (v1) OSVM_CHECK(check_v1(plan, l));
  auto out = v1 ? write_v1(plan, l) : write(plan, l);
  const auto wire = (v1 ? 0 : 1) + 64 * l.header[0] + out.size(), most = max_wire_of(plan.version);
  if (wire > most)
    return error(osvm::errc::limit_exceeded, "the transaction would have " + std::to_string(wire) +
                                                 " bytes, " + std::to_string(most) + " are allowed");
  return out;
}

result<std::string> sign_message(std::string_view message, std::span<const keypair* const> keys) {
  OSVM_TRY(const auto m, parse_message(as_bytes(message)));
  return assemble(m, std::vector<signature>(m.header.required_signatures), keys, true);
}

result<std::string> sign_partly(std::string_view message, std::span<const keypair* const> keys) {
  OSVM_TRY(const auto m, parse_message(as_bytes(message)));
  return assemble(m, std::vector<signature>(m.header.required_signatures), keys, false);
}

result<std::string> add_signatures(std::string_view transaction, std::span<const keypair* const> keys) {
  transaction_view tx;
  OSVM_CHECK(parse_transaction(as_bytes(transaction), tx));
  if (tx.size != transaction.size()) return error(osvm::errc::malformed, "bytes behind the transaction");
  if (tx.signatures.size() != tx.message.header.required_signatures)
    return error(osvm::errc::malformed, "signature count differs from the header's");
  return assemble(tx.message, {tx.signatures.begin(), tx.signatures.end()}, keys, false);
}

}  // namespace osvm::solana
