#include <osvm/core/text.hpp>
#include <osvm/ledger/account_store.hpp>
#include <osvm/solana/base58.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/encode.hpp>

#include <unistd.h>

#include "../ledger_command.hpp"

namespace osvm::cli {
namespace {

constexpr std::size_t max_input = 64 << 10;

result<std::string> read_all() {
  std::string out;
  char buffer[4096];
  while (true) {
    const auto n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("standard input");
    if (n == 0) return out;
    out.append(buffer, static_cast<std::size_t>(n));
    if (out.size() > max_input) return error(errc::limit_exceeded, "more than 64 KiB on standard input");
  }
}

class decode final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("from", "NAME", from_, "base64 or base58 (default: whichever the text is)");
    o.value("encoding", "NAME", encoding_, "json or jsonParsed");
  }
  int run(context& ctx) override {
    if (!from_.empty() && from_ != "base64" && from_ != "base58")
      return ctx.fail(error(errc::invalid_argument, "--from: base64 or base58"), exit_code::usage);
    const auto encoding = solana::parse_encoding(encoding_);
    if (!encoding)
      return ctx.fail(error(errc::invalid_argument, "--encoding: json or jsonParsed"), exit_code::usage);
    const auto text = show(*encoding);
    if (!text) return ctx.fail(text.error());
    print_json_text(ctx, *text);
    return static_cast<int>(exit_code::done);
  }

 private:
  result<std::string> show(solana::transaction_encoding encoding) const {
    OSVM_TRY(auto text, read_all());
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
    if (text.starts_with('{')) return show_account(text);
    auto bytes = from_ == "base58" ? solana::base58_decode(text) : solana::base64_decode(text);
    solana::transaction_view tx;
    if (from_.empty() && (!bytes || !solana::parse_transaction(*bytes, tx))) {
      if (auto other = solana::base58_decode(text)) bytes = std::move(other);
    }
    if (!bytes) return bytes.error();
    OSVM_CHECK(solana::parse_transaction(*bytes, tx));
    if (tx.size != bytes->size()) return error(errc::malformed, "bytes behind the transaction");
    std::string json;
    solana::json_writer out(json);
    out.begin_object();
    OSVM_CHECK(solana::write_transaction_fields(out, *bytes, tx, nullptr,
                                                {.encoding = encoding, .max_version = 255}));
    out.field("signaturesValid", solana::sanitize(tx) && solana::verify_signatures(tx));
    out.end_object();
    return json;
  }
  // What `solana account --output json` writes.
  static result<std::string> show_account(const std::string& text) {
    OSVM_TRY(const auto dumped, ledger::parse_account_dump(text));
    const auto& a = dumped.at(0);
    auto view = a.account.view;
    view.data = as_bytes(a.data);
    std::string json;
    solana::json_writer out(json);
    solana::write_account(out, a.account.address, view, solana::account_encoding::json_parsed, {}, {});
    return json;
  }
  std::string from_, encoding_ = "jsonParsed";
};

}  // namespace

extern const command cmd_decode_entry;
const command cmd_decode_entry{
    .path = "decode",
    .summary = "a Solana transaction or dumped account from standard input as JSON",
    .examples =
        "  osvm decode < transaction.base64\n  osvm decode < account.json\n  echo \"$TX\" | osvm decode "
        "--from base58 --json",
    .make = make_invocation<decode>,
};

}  // namespace osvm::cli
