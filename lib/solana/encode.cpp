#include <osvm/solana/base58.hpp>
#include <osvm/solana/encode.hpp>
#include <osvm/solana/programs.hpp>
#include <osvm/solana/writable.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "instructions/parser.hpp"
#include "more/decode.hpp"

namespace osvm::solana {
namespace {

std::uint64_t beginning(const pubkey& key) noexcept {
  std::uint64_t out;
  std::memcpy(&out, key.bytes.data(), sizeof out);
  return out;
}

// Accounts that no transaction may write to, whatever its header says.
bool is_reserved(const pubkey& key) noexcept {
  static const pubkey reserved[] = {programs::address_lookup_table,
                                    programs::bpf_loader,
                                    programs::bpf_loader_deprecated,
                                    programs::bpf_loader_upgradeable,
                                    programs::compute_budget,
                                    programs::config,
                                    programs::loader_v4,
                                    programs::stake_config,
                                    programs::stake,
                                    programs::system,
                                    programs::vote,
                                    programs::native_loader,
                                    programs::sysvar,
                                    programs::sysvar_clock,
                                    programs::sysvar_epoch_rewards,
                                    programs::sysvar_epoch_schedule,
                                    programs::sysvar_fees,
                                    programs::sysvar_instructions,
                                    programs::sysvar_last_restart_slot,
                                    programs::sysvar_recent_blockhashes,
                                    programs::sysvar_rent,
                                    programs::sysvar_rewards,
                                    programs::sysvar_slot_hashes,
                                    programs::sysvar_slot_history,
                                    programs::sysvar_stake_history,
                                    programs::ed25519_program,
                                    programs::secp256k1_program,
                                    programs::secp256r1_program,
                                    programs::feature,
                                    programs::zk_elgamal_proof,
                                    programs::zk_token_proof};
  // Asked of every key of a block: their first eight bytes tell nearly all apart.
  static const auto beginnings = [] {
    std::array<std::uint64_t, std::size(reserved)> out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = beginning(reserved[i]);
    return out;
  }();
  unsigned matches = 0;
  for (const auto b : beginnings) matches += b == beginning(key);
  return matches && std::ranges::find(reserved, key) != std::end(reserved);
}

// A program's own account is not writable unless the upgradeable loader takes part.
bool is_demoted(const message_view& m, const account_keys& keys, std::size_t index) {
  const bool called =
      std::ranges::any_of(m.instructions, [&](const auto& ix) { return ix.program_index == index; });
  if (!called) return false;
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (*keys.find(i) == programs::bpf_loader_upgradeable) return false;
  return true;
}

// The keys of one transaction as text, each made once: instructions name them again and again.
class key_texts {
 public:
  explicit key_texts(const account_keys& keys) : keys_(keys), texts_(keys.size()) {}
  const account_keys& keys() const noexcept { return keys_; }
  // null where there is no such key.
  void write(json_writer& out, std::size_t index) {
    const auto* key = keys_.find(index);
    if (!key) return out.null();
    auto& t = texts_[index];
    if (!t.size) t.size = static_cast<std::uint8_t>(base58_encode_32(key->data(), t.text.data()));
    out.plain({t.text.data(), t.size});
  }

 private:
  struct entry {
    std::array<char, base58_32_max> text;
    std::uint8_t size = 0;  // 0: not made yet
  };
  const account_keys& keys_;
  std::vector<entry> texts_;
};

void write_account_keys(json_writer& out, const message_view& m, const transaction_meta* meta,
                        key_texts& texts, bool with_source) {
  out.begin_array();
  for (std::size_t i = 0; i < texts.keys().size(); ++i) {
    const bool loaded = i >= m.keys.size();
    out.begin_object();
    out.key("pubkey");
    texts.write(out, i);
    out.field("writable", is_writable(m, meta, i));
    out.field("signer", !loaded && m.is_signer(i));
    if (with_source) out.field("source", loaded ? "lookupTable" : "transaction");
    out.end_object();
  }
  out.end_array();
}

void write_indexes(json_writer& out, std::span<const std::uint8_t> indexes) {
  out.begin_array();
  for (const auto i : indexes) out.number(std::uint64_t{i});
  out.end_array();
}

void write_stack_height(json_writer& out, std::optional<std::uint32_t> height) {
  out.key("stackHeight");
  height ? out.number(std::uint64_t{*height}) : out.null();
}

void write_compiled(json_writer& out, std::size_t program, std::span<const std::uint8_t> accounts,
                    bytes_view data, std::optional<std::uint32_t> height, bool show_height) {
  out.begin_object();
  out.field("programIdIndex", static_cast<std::uint64_t>(program));
  out.key("accounts");
  write_indexes(out, accounts);
  out.key("data");
  out.base58(data);
  if (show_height) write_stack_height(out, height);
  out.end_object();
}

void write_lookups(json_writer& out, const message_view& m) {
  out.key("addressTableLookups");
  out.begin_array();
  for (const auto& l : m.lookups) {
    out.begin_object();
    out.field("accountKey", *l.table);
    out.key("writableIndexes");
    write_indexes(out, l.writable);
    out.key("readonlyIndexes");
    write_indexes(out, l.readonly);
    out.end_object();
  }
  out.end_array();
}

template <class T>
void write_word(json_writer& out, std::string_view name, const std::optional<T>& v) {
  out.key(name);
  v ? out.number(*v) : out.null();
}

void write_config(json_writer& out, const message_config& c) {
  out.key("transactionConfig");
  out.begin_object();
  write_word(out, "priorityFee", c.priority_fee);
  write_word(out, "computeUnitLimit", c.compute_unit_limit);
  write_word(out, "loadedAccountsDataSizeLimit", c.loaded_accounts_limit);
  write_word(out, "heapSize", c.heap_size);
  out.end_object();
}

void write_known_instruction(json_writer& out, std::size_t program_index,
                             std::span<const std::uint8_t> accounts, bytes_view data, key_texts& texts,
                             std::optional<std::uint32_t> stack_height, bool show_stack_height,
                             const more_decoders* more);

void write_message(json_writer& out, const message_view& m, const transaction_meta* meta, key_texts& texts,
                   const encode_options& o) {
  const bool parsed = o.encoding == transaction_encoding::json_parsed;
  const bool heights = !o.without_stack_height;
  // Top-level instructions are at height 1 since validators record heights at all.
  const std::optional<std::uint32_t> height = heights ? std::optional<std::uint32_t>(1) : std::nullopt;
  out.begin_object();
  if (!parsed) {
    out.key("header");
    out.begin_object();
    out.field("numRequiredSignatures", m.header.required_signatures);
    out.field("numReadonlySignedAccounts", m.header.readonly_signed);
    out.field("numReadonlyUnsignedAccounts", m.header.readonly_unsigned);
    out.end_object();
  }
  out.key("accountKeys");
  if (parsed) {
    write_account_keys(out, m, meta, texts, heights);
  } else {
    out.begin_array();
    for (const auto& k : m.keys) out.base58(k);
    out.end_array();
  }
  out.field("recentBlockhash", *m.blockhash);
  out.key("instructions");
  out.begin_array();
  for (const auto& ix : m.instructions) {
    if (parsed)
      write_known_instruction(out, ix.program_index, ix.accounts, ix.data, texts, height, heights, o.more);
    else
      write_compiled(out, ix.program_index, ix.accounts, ix.data, height, heights);
  }
  out.end_array();
  if (m.version == message_version::v0) {
    write_lookups(out, m);
  } else if (m.version == message_version::v1) {
    write_config(out, m.config);
  } else if (parsed) {
    out.key("addressTableLookups");
    out.null();
  }
  out.end_object();
}

void write_signatures(json_writer& out, const transaction_view& tx) {
  out.key("signatures");
  out.begin_array();
  for (const auto& s : tx.signatures) out.base58(s);
  out.end_array();
}

void write_encoded(json_writer& out, bytes_view wire, const transaction_view& tx,
                   const transaction_meta* meta, key_texts& texts, const encode_options& o) {
  const auto own = wire.first(std::min(wire.size(), tx.size));
  if (o.encoding == transaction_encoding::binary) return out.base58(own);
  if (o.encoding == transaction_encoding::base58 || o.encoding == transaction_encoding::base64) {
    const bool base64 = o.encoding == transaction_encoding::base64;
    out.begin_array();
    base64 ? out.base64(own) : out.base58(own);
    out.plain(base64 ? "base64" : "base58");
    out.end_array();
    return;
  }
  out.begin_object();
  write_signatures(out, tx);
  out.key("message");
  write_message(out, tx.message, meta, texts, o);
  out.end_object();
}

// meta

void write_numbers(json_writer& out, std::string_view name, std::span<const std::uint64_t> values) {
  out.key(name);
  out.begin_array();
  for (const auto v : values) out.number(v);
  out.end_array();
}

// Rows of early releases hold only the floating-point amount.
std::string approximate_amount(const token_balance& b) {
  const double raw = b.ui_amount * std::pow(10.0, b.decimals);
  return raw > 0 && raw < 1.8e19 ? std::to_string(static_cast<std::uint64_t>(raw)) : "0";
}

// The floating-point amount. A decimal of at most 15 digits is the shortest text of the double nearest to it,
// so that where the amount says the same number (an exact one over an exact power of ten), its digits are
// the text, without searching for them.
void write_ui_amount(json_writer& out, const token_balance& b, std::string_view amount) {
  static constexpr double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const double v = b.ui_amount;
  if (!(std::fabs(v) > 2.220446049250313e-16)) return out.null();
  std::uint64_t raw = 0;
  const auto* end = amount.data() + amount.size();
  const bool short_enough = !amount.empty() && amount.size() <= 15 && amount[0] != '0' &&
                            b.decimals < std::size(powers) && v >= 1e-5 && v < 1e15;
  if (!short_enough || std::from_chars(amount.data(), end, raw).ptr != end ||
      static_cast<double>(raw) / powers[b.decimals] != v)
    return out.number(v);
  auto text = ui_amount_string(amount, b.decimals);
  if (text.find('.') == std::string::npos) text += ".0";
  out.raw(text);
}

void write_token_balances(json_writer& out, std::string_view name, std::span<const token_balance> balances) {
  out.key(name);
  out.begin_array();
  for (const auto& b : balances) {
    const auto approximate = b.amount.empty() ? approximate_amount(b) : std::string{};
    const auto amount = b.amount.empty() ? std::string_view(approximate) : b.amount;
    out.begin_object();
    out.field("accountIndex", b.account_index);
    out.field("mint", b.mint);
    out.key("uiTokenAmount");
    out.begin_object();
    out.key("uiAmount");
    write_ui_amount(out, b, amount);
    out.field("decimals", b.decimals);
    out.field("amount", amount);
    out.key("uiAmountString");
    b.ui_amount_string.empty() ? out.string(ui_amount_string(amount, b.decimals))
                               : out.string(b.ui_amount_string);
    out.end_object();
    if (!b.owner.empty()) out.field("owner", b.owner);
    if (!b.program_id.empty()) out.field("programId", b.program_id);
    out.end_object();
  }
  out.end_array();
}

void write_inner(json_writer& out, const transaction_meta& meta, key_texts& texts, const encode_options& o) {
  out.key("innerInstructions");
  if (!meta.inner) return out.null();
  out.begin_array();
  for (const auto& group : *meta.inner) {
    out.begin_object();
    out.field("index", group.index);
    out.key("instructions");
    out.begin_array();
    for (const auto& ix : group.instructions) {
      if (o.encoding == transaction_encoding::json_parsed)
        write_known_instruction(out, ix.program_index, ix.accounts, ix.data, texts, ix.stack_height,
                                !o.without_stack_height, o.more);
      else
        write_compiled(out, ix.program_index, ix.accounts, ix.data, ix.stack_height, !o.without_stack_height);
    }
    out.end_array();
    out.end_object();
  }
  out.end_array();
}

void write_outcome(json_writer& out, const transaction_meta& meta) {
  out.key("err");
  meta.err ? write_json(out, *meta.err) : out.null();
  out.key("status");
  out.begin_object();
  out.key(meta.err ? "Err" : "Ok");
  meta.err ? write_json(out, *meta.err) : out.null();
  out.end_object();
  out.field("fee", meta.fee);
  write_numbers(out, "preBalances", meta.pre_balances);
  write_numbers(out, "postBalances", meta.post_balances);
}

void write_loaded(json_writer& out, const transaction_meta& meta) {
  out.key("loadedAddresses");
  out.begin_object();
  for (const bool writable : {true, false}) {
    out.key(writable ? "writable" : "readonly");
    out.begin_array();
    for (const auto& k : writable ? meta.loaded_writable : meta.loaded_readonly) out.base58(k);
    out.end_array();
  }
  out.end_object();
}

void write_optional_tail(json_writer& out, const transaction_meta& meta) {
  if (meta.returned) {
    out.key("returnData");
    out.begin_object();
    out.key("programId");
    out.base58(meta.returned->program_id);
    out.key("data");
    out.begin_array();
    out.base64(meta.returned->data);
    out.plain("base64");
    out.end_array();
    out.end_object();
  }
  if (meta.compute_units) out.field("computeUnitsConsumed", *meta.compute_units);
  if (meta.cost_units) out.field("costUnits", *meta.cost_units);
}

void write_meta(json_writer& out, const transaction_meta& meta, key_texts& texts, const encode_options& o) {
  const auto* idls = o.more && o.encoding == transaction_encoding::json_parsed ? o.more->idls : nullptr;
  out.begin_object();
  write_outcome(out, meta);
  if (idls && meta.err && meta.logs) write_custom_error(out, *meta.err, *meta.logs, *idls);
  write_inner(out, meta, texts, o);
  out.key("logMessages");
  if (meta.logs) {
    out.begin_array();
    for (const auto line : *meta.logs) out.string(line);
    out.end_array();
  } else {
    out.null();
  }
  if (idls && meta.logs) write_log_events(out, *meta.logs, *idls);
  write_token_balances(out, "preTokenBalances", meta.pre_token_balances);
  write_token_balances(out, "postTokenBalances", meta.post_token_balances);
  out.key("rewards");
  o.rewards ? write_rewards(out, meta.rewards) : out.null();
  if (o.encoding != transaction_encoding::json_parsed || o.without_stack_height) write_loaded(out, meta);
  write_optional_tail(out, meta);
  out.end_object();
}

result<> write_version(json_writer& out, const message_view& m, const encode_options& o) {
  if (!o.max_version) return {};
  out.key("version");
  m.version == message_version::legacy
      ? out.plain("legacy")
      : out.number(static_cast<std::uint64_t>(m.version == message_version::v0 ? 0 : 1));
  return {};
}

result<> check_version(const message_view& m, const encode_options& o) {
  if (m.version == message_version::legacy) return {};
  const std::uint8_t number = m.version == message_version::v0 ? 0 : 1;
  if (o.max_version && *o.max_version >= number) return {};
  return error(
      osvm::errc::unsupported,
      "Transaction version (" + std::to_string(number) +
          ") is not supported by the requesting client. Please try the request again with the following "
          "configuration parameter: \"maxSupportedTransactionVersion\": " +
          std::to_string(number));
}

}  // namespace

bool is_writable(const message_view& m, const transaction_meta* meta, std::size_t index) {
  const account_keys keys(m.keys, meta);
  const std::size_t writable_end = m.keys.size() + (meta ? meta->loaded_writable.size() : 0);
  const auto* key = keys.find(index);
  const bool marked = index < m.keys.size() ? m.is_writable_by_header(index) : index < writable_end;
  return key && marked && !is_reserved(*key) && !is_demoted(m, keys, index);
}

std::optional<transaction_encoding> parse_encoding(std::string_view name) noexcept {
  if (name == "binary") return transaction_encoding::binary;
  if (name == "base58") return transaction_encoding::base58;
  if (name == "base64") return transaction_encoding::base64;
  if (name == "json") return transaction_encoding::json;
  if (name == "jsonParsed") return transaction_encoding::json_parsed;
  return std::nullopt;
}

std::optional<transaction_details> parse_details(std::string_view name) noexcept {
  if (name == "full") return transaction_details::full;
  if (name == "accounts") return transaction_details::accounts;
  if (name == "signatures") return transaction_details::signatures;
  if (name == "none") return transaction_details::none;
  return std::nullopt;
}

const pubkey* account_keys::find(std::size_t index) const noexcept {
  if (index < fixed_.size()) return &fixed_[index];
  if (!meta_) return nullptr;
  index -= fixed_.size();
  if (index < meta_->loaded_writable.size()) return &meta_->loaded_writable[index];
  index -= meta_->loaded_writable.size();
  return index < meta_->loaded_readonly.size() ? &meta_->loaded_readonly[index] : nullptr;
}

result<> write_transaction_fields(json_writer& out, bytes_view wire, const transaction_view& tx,
                                  const transaction_meta* meta, const encode_options& options) {
  OSVM_CHECK(check_version(tx.message, options));
  const account_keys keys(tx.message.keys, meta);
  key_texts texts(keys);
  out.key("transaction");
  write_encoded(out, wire, tx, meta, texts, options);
  out.key("meta");
  meta ? write_meta(out, *meta, texts, options) : out.null();
  return write_version(out, tx.message, options);
}

result<> write_transaction_accounts(json_writer& out, const transaction_view& tx,
                                    const transaction_meta* meta, const encode_options& options) {
  OSVM_CHECK(check_version(tx.message, options));
  out.key("transaction");
  out.begin_object();
  write_signatures(out, tx);
  out.key("accountKeys");
  const account_keys keys(tx.message.keys, meta);
  key_texts texts(keys);
  write_account_keys(out, tx.message, meta, texts, true);
  out.end_object();
  out.key("meta");
  if (meta) {
    out.begin_object();
    write_outcome(out, *meta);
    write_token_balances(out, "preTokenBalances", meta->pre_token_balances);
    write_token_balances(out, "postTokenBalances", meta->post_token_balances);
    if (options.rewards) {
      out.key("rewards");
      write_rewards(out, meta->rewards);
    }
    out.end_object();
  } else {
    out.null();
  }
  return write_version(out, tx.message, options);
}

void write_rewards(json_writer& out, std::span<const reward> rewards) {
  out.begin_array();
  for (const auto& r : rewards) {
    out.begin_object();
    out.field("pubkey", r.address);
    out.field("lamports", r.lamports);
    out.field("postBalance", r.post_balance);
    out.key("rewardType");
    r.type == reward_type::unspecified ? out.null() : out.plain(to_string(r.type));
    out.key("commission");
    const bool digits = !r.commission.empty() && r.commission.size() <= 3 &&
                        r.commission.find_first_not_of("0123456789") == std::string_view::npos;
    digits ? out.raw(r.commission) : out.null();
    out.end_object();
  }
  out.end_array();
}

namespace {

void write_known_instruction(json_writer& out, std::size_t program_index,
                             std::span<const std::uint8_t> accounts, bytes_view data, key_texts& texts,
                             std::optional<std::uint32_t> stack_height, bool show_stack_height,
                             const more_decoders* more) {
  const auto& keys = texts.keys();
  const pubkey* program = keys.find(program_index);
  out.begin_object();
  const auto* parser = program ? find_instruction_parser(*program) : nullptr;
  std::string parsed;
  std::optional<more_decoded> other;
  const bool known = parser && parse_instruction(*parser, {accounts, data, keys}, parsed);
  if (!known && program && more) other = decode_more({accounts, data, keys}, *program, *more);
  if (known || other) {
    out.field("program", known ? parser->name : std::string_view(other->program));
    out.key("programId");
    texts.write(out, program_index);
    out.key("parsed");
    out.raw(known ? parsed : other->json);
  } else {
    out.key("programId");
    texts.write(out, program_index);
    out.key("accounts");
    out.begin_array();
    for (const auto i : accounts) texts.write(out, i);
    out.end_array();
    out.key("data");
    out.base58(data);
  }
  if (show_stack_height) write_stack_height(out, stack_height);
  out.end_object();
}

}  // namespace

void write_instruction(json_writer& out, std::size_t program_index, std::span<const std::uint8_t> accounts,
                       bytes_view data, const account_keys& keys, std::optional<std::uint32_t> stack_height,
                       bool show_stack_height, const more_decoders* more) {
  key_texts texts(keys);
  write_known_instruction(out, program_index, accounts, data, texts, stack_height, show_stack_height, more);
}

}  // namespace osvm::solana
