// osvm decode: a transaction, an instruction or an account from standard input. What the text is follows from
// it where it can: JSON is a dumped account, everything else a transaction unless an option says otherwise.
#include <osvm/core/text.hpp>
#include <osvm/ledger/account_store.hpp>
#include <osvm/solana/base58.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/encode.hpp>
#include <osvm/solana/programs.hpp>

#include <charconv>

#include "../idl_files.hpp"
#include "../ledger_command.hpp"

namespace osvm::cli {
namespace {

constexpr std::size_t max_input = 32 << 20;
constexpr std::size_t max_account = 11 << 20;

class decode final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("from", "NAME", from_, "base64, base58 or base64+zstd (default: whichever the text is)");
    o.value("owner", "ADDRESS", owner_, "the text is the data of an account of this program");
    o.value("address", "ADDRESS", address_, "with --owner: the account's own address (tells sysvars apart)");
    o.value("decimals", "N", decimals_, "with --owner: decimals of a token account's mint");
    o.value("program", "ADDRESS", program_, "the text is the data of an instruction for this program");
    o.values("account", "ADDRESS", accounts_, "with --program: an account of the instruction, in order");
    o.value("encoding", "NAME", encoding_, "of a transaction: json or jsonParsed");
    decoders_.declare(o);
  }
  int run(context& ctx) override {
    const auto checked = check();
    if (!checked) return ctx.fail(checked.error(), exit_code::usage);
    const auto text = show();
    if (!text) return ctx.fail(text.error());
    print_json_text(ctx, *text);
    return static_cast<int>(exit_code::done);
  }

 private:
  static error wrong(const std::string& what) { return error(errc::invalid_argument, what); }
  static result<> read_key(const char* option, const std::string& text, std::optional<solana::pubkey>& out) {
    if (text.empty()) return {};
    auto key = solana::pubkey::parse(text);
    if (!key) return wrong(std::string(option) + ": " + key.error().context);
    out = *key;
    return {};
  }
  result<> check() {
    if (!from_.empty() && from_ != "base64" && from_ != "base58" && from_ != "base64+zstd")
      return wrong("--from: base64, base58 or base64+zstd");
    if (encoding_ != "json" && encoding_ != "jsonParsed") return wrong("--encoding: json or jsonParsed");
    if (!owner_.empty() && !program_.empty()) return wrong("--owner and --program: one of them");
    if (owner_.empty() && (!address_.empty() || !decimals_.empty()))
      return wrong("--address and --decimals belong to --owner");
    if (program_.empty() && !accounts_.empty()) return wrong("--account belongs to --program");
    if (accounts_.size() > 254) return wrong("--account: an instruction has at most 254");
    OSVM_CHECK(read_key("--owner", owner_, owner_key_));
    OSVM_CHECK(read_key("--program", program_, program_key_));
    std::optional<solana::pubkey> address;
    OSVM_CHECK(read_key("--address", address_, address));
    if (address) address_key_ = *address;
    for (const auto& a : accounts_) {
      std::optional<solana::pubkey> key;
      OSVM_CHECK(read_key("--account", a, key));
      if (key) keys_.push_back(*key);
    }
    if (keys_.size() != accounts_.size()) return wrong("--account: an address is missing");
    return read_decimals();
  }
  result<> read_decimals() {
    if (decimals_.empty()) return {};
    unsigned n = 256;
    const auto [end, e] = std::from_chars(decimals_.data(), decimals_.data() + decimals_.size(), n);
    if (e != std::errc{} || end != decimals_.data() + decimals_.size() || n > 255)
      return wrong("--decimals: 0 to 255");
    context_.mint = solana::token_mint{.supply = 0, .decimals = static_cast<std::uint8_t>(n)};
    return {};
  }

  result<std::string> show() {
    OSVM_TRY(more_, decoders_.open());
    context_.more = more_;
    OSVM_TRY(auto text, read_input("-", max_input));
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
    const auto front = text.find_first_not_of(" \t\r\n");
    if (front == std::string::npos) return error(errc::truncated, "standard input is empty");
    text.erase(0, front);
    if (text.front() == '{' || text.front() == '[') return show_dump(text);
    if (owner_key_) return show_account(text);
    if (program_key_) return show_instruction(text);
    return show_transaction(text);
  }

  // Bytes in the encoding that was named, or else the first that takes the text.
  result<std::string> bytes_of(std::string_view text) const {
    using encoding = solana::account_encoding;
    if (from_ == "base58") return solana::decode_account_data(text, encoding::base58, max_account);
    if (from_ == "base64+zstd") return solana::decode_account_data(text, encoding::base64_zstd, max_account);
    auto plain = solana::decode_account_data(text, encoding::base64, max_account);
    if (from_ == "base64") return plain;
    constexpr std::string_view zstd = "\x28\xb5\x2f\xfd";
    if (plain && plain->starts_with(zstd))
      if (auto packed = solana::decode_account_data(text, encoding::base64_zstd, max_account)) return packed;
    if (plain) return plain;
    if (auto other = solana::decode_account_data(text, encoding::base58, max_account)) return other;
    return error(errc::malformed, "the text is neither base64 nor base58 (" + plain.error().context + ")");
  }

  result<std::string> show_account(std::string_view text) const {
    OSVM_TRY(const auto data, bytes_of(text));
    const solana::account_view account{*owner_key_, 0, 0, false, as_bytes(data)};
    std::string json;
    solana::json_writer out(json);
    if (solana::write_parsed_account(out, address_key_, account, context_)) return json;
    return error(errc::malformed, explain(account));
  }
  std::string explain(const solana::account_view& a) const {
    const std::string size = std::to_string(a.data.size()) + " bytes";
    if (const auto described = decoders_.idls() ? decoders_.idls()->find(*owner_key_) : nullptr)
      if (const auto tried = described->account(a.data); !tried) return tried.error().context;
    if (solana::is_token_program(a.owner) && solana::read_token_holding(a.data) && !context_.mint)
      return "a token account's amounts need the decimals of its mint (try: --decimals N)";
    return "no decoder of " + owner_ + " understands these " + size +
           (a.owner == solana::programs::sysvar ? " (try: --address ADDRESS)" : "");
  }

  result<std::string> show_instruction(std::string_view text) const {
    OSVM_TRY(const auto data, bytes_of(text));
    auto keys = keys_;
    keys.push_back(*program_key_);
    std::vector<std::uint8_t> indexes;
    for (std::size_t i = 0; i < keys_.size(); ++i) indexes.push_back(static_cast<std::uint8_t>(i));
    std::string json;
    solana::json_writer out(json);
    solana::write_instruction(out, keys_.size(), indexes, as_bytes(data), solana::account_keys(keys, nullptr),
                              std::nullopt, false, more_);
    if (json.starts_with("{\"program\":")) return json;
    if (const auto described = decoders_.idls() ? decoders_.idls()->find(*program_key_) : nullptr)
      if (const auto tried = described->instruction(*program_key_, keys_, as_bytes(data)); !tried)
        return tried.error();
    return error(errc::malformed, "no decoder of " + program_ + " understands these " +
                                      std::to_string(data.size()) + " bytes with " +
                                      std::to_string(keys_.size()) + " accounts");
  }

  result<std::string> show_transaction(std::string_view text) const {
    const auto base64 = from_ == "base58" ? result<std::vector<std::byte>>(errc::malformed)
                                          : solana::base64_decode(text, max_input);
    if (base64) {
      auto shown = write_transaction(*base64);
      if (shown || from_ == "base64") return shown;
    } else if (from_ == "base64") {
      return base64.error();
    }
    const auto base58 = solana::base58_decode(text);
    if (base58) {
      auto shown = write_transaction(*base58);
      if (shown || from_ == "base58") return shown;
    } else if (from_ == "base58") {
      return base58.error();
    }
    return error(errc::malformed, why_not(base64, base58));
  }
  std::string why_not(const result<std::vector<std::byte>>& base64,
                      const result<std::vector<std::byte>>& base58) const {
    std::string out = "neither JSON nor a transaction: as base64 ";
    out += base64 ? write_transaction(*base64).error().context : base64.error().context;
    out += "; as base58 ";
    out += base58 ? write_transaction(*base58).error().context : base58.error().context;
    return out + " (an account's data: --owner ADDRESS; an instruction's: --program ADDRESS)";
  }
  result<std::string> write_transaction(bytes_view bytes) const {
    solana::transaction_view tx;
    OSVM_CHECK(solana::parse_transaction(bytes, tx));
    if (tx.size != bytes.size())
      return error(errc::malformed, std::to_string(bytes.size() - tx.size) + " bytes behind the transaction");
    std::string json;
    solana::json_writer out(json);
    out.begin_object();
    OSVM_CHECK(solana::write_transaction_fields(
        out, bytes, tx, nullptr,
        {.encoding = *solana::parse_encoding(encoding_), .max_version = 255, .more = more_}));
    out.field("signaturesValid", solana::sanitize(tx) && solana::verify_signatures(tx));
    out.end_object();
    return json;
  }

  // What `solana account --output json` writes, or an array of such.
  result<std::string> show_dump(const std::string& text) const {
    OSVM_TRY(const auto dumped, ledger::parse_account_dump(text));
    std::string json;
    solana::json_writer out(json);
    if (dumped.size() != 1) out.begin_array();
    for (const auto& a : dumped) {
      auto view = a.account.view;
      view.data = as_bytes(a.data);
      solana::write_account(out, a.account.address, view, solana::account_encoding::json_parsed, {},
                            context_);
    }
    if (dumped.size() != 1) out.end_array();
    return json;
  }

  std::string from_, owner_, address_, decimals_, program_, encoding_ = "jsonParsed";
  std::vector<std::string> accounts_;
  std::optional<solana::pubkey> owner_key_, program_key_;
  solana::pubkey address_key_;
  std::vector<solana::pubkey> keys_;
  solana::account_context context_;
  decoder_options decoders_;
  const solana::more_decoders* more_ = nullptr;
};

}  // namespace

extern const command cmd_decode_entry;
const command cmd_decode_entry{
    .path = "decode",
    .summary = "a Solana transaction, instruction or account from standard input as JSON",
    .examples =
        "  osvm decode < transaction.base64\n"
        "  osvm decode < account.json\n"
        "  echo \"$TX\" | osvm decode --from base58 --json\n"
        "  echo \"$DATA\" | osvm decode --owner TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA --decimals 6\n"
        "  echo \"$DATA\" | osvm decode --program PROGRAM --account PAYER --account STORE --idl "
        "my_program.json",
    .make = make_invocation<decode>,
};

}  // namespace osvm::cli
