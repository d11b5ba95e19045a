// osvm idl fetch: the interface that a program's authors stored on the chain, from a node or from accounts at
// hand.
#include <osvm/ledger/account_store.hpp>
#include <osvm/solana/json_slices.hpp>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "../cluster.hpp"
#include "../idl_files.hpp"

namespace osvm::cli {
namespace {

constexpr std::size_t max_account_data = 11 << 20;

class idl_fetch final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("program", program_, {}, "the program's address");
    o.values("from", "PATH", from_, "a snapshot archive, a dumped account (.json) or a folder of these");
    o.value("data", "FILE", data_, "the IDL account's data itself, - for standard input");
    cluster_.declare(o);
    o.flag("replace", replace_, "the program may have an IDL already");
    o.flag("print", print_, "print the IDL, keep nothing");
  }
  int run(context& ctx) override {
    const auto program = solana::pubkey::parse(program_);
    if (!program) return ctx.fail(program.error(), exit_code::usage);
    if (!from_.empty() && !data_.empty())
      return ctx.fail(error(errc::invalid_argument, "--from PATH and --data FILE: one of them"),
                      exit_code::usage);
    const auto text = fetch(ctx, *program);
    if (!text) return ctx.fail(text.error());
    if (print_) {
      if (const auto fit = check_printable(*text); !fit) return ctx.fail(fit.error());
      ctx.print(*text + "\n");
      return static_cast<int>(exit_code::done);
    }
    const auto kept = keep(*program, *text);
    if (!kept) return ctx.fail(kept.error());
    if (ctx.json())
      ctx.print_json(boost::json::object{{"added", kept->to_string()}});
    else
      ctx.print("IDL of " + kept->to_string() + " kept\n");
    return static_cast<int>(exit_code::done);
  }

 private:
  // Anyone may store an IDL: nothing that a terminal would take for a command. JSON has no other control
  // characters than white space.
  static result<> check_printable(std::string_view text) {
    boost::system::error_code failed;
    (void)boost::json::parse(text, failed, {}, {.max_depth = 128});
    if (failed) return error(errc::malformed, "what is stored on the chain is no JSON: not printed");
    bool fit = text.find('\x7f') == text.npos;
    for (std::size_t i = 0; i + 1 < text.size(); ++i)  // U+0080 to U+009F
      fit &= text[i] != '\xc2' || static_cast<unsigned char>(text[i + 1]) > 0x9f;
    if (!fit) return error(errc::malformed, "the IDL holds control characters: not printed");
    return {};
  }
  result<std::string> fetch(const context& ctx, const solana::pubkey& program) const {
    if (!data_.empty()) {
      OSVM_TRY(const auto data, read_input(data_, max_account_data));
      return solana::unpack_idl_account(as_bytes(data));
    }
    OSVM_TRY(const auto metadata, solana::idl_metadata_address(program));
    OSVM_TRY(const auto anchor, solana::idl_address(program));
    const auto none =
        error(errc::not_found, "neither " + metadata.to_string() + " nor " + anchor.to_string() +
                                   " is there: the program has no IDL on " + "the chain" +
                                   (from_.empty() ? "" : ", or --from lacks it"));
    if (from_.empty()) {
      OSVM_TRY(const auto node, rpc_source::open(ctx, cluster_));
      for (const auto& address : {metadata, anchor}) {  // the newer place first
        OSVM_TRY(const auto data, ask(*node, address));
        if (data) return solana::unpack_idl_account(as_bytes(*data));
      }
      return none;
    }
    OSVM_TRY(const auto store, ledger::account_store::load(from_));
    for (const auto& address : {metadata, anchor})
      if (const auto* a = store.find(address)) return solana::unpack_idl_account(a->view.data);
    return none;
  }
  // The account's data; nothing when the node knows no such account.
  static result<std::optional<std::string>> ask(rpc_source& node, const solana::pubkey& address) {
    std::string key(1, '"');
    key.append(address.to_string()).push_back('"');
    OSVM_TRY(const auto answer, node.call("getAccountInfo", "[" + key + ",{\"encoding\":\"base64\"}]"));
    const auto value = solana::json_member(answer, "value");
    if (!value) return error(solana::rpc_errc::bad_answer, "getAccountInfo");
    if (*value == "null") return std::optional<std::string>();
    OSVM_TRY(auto read,
             ledger::parse_account_dump("{\"pubkey\":" + key + ",\"account\":" + std::string(*value) + "}"));
    return std::optional<std::string>(std::move(read.at(0).data));
  }
  result<solana::pubkey> keep(const solana::pubkey& program, const std::string& text) const {
    OSVM_TRY(const auto folder, open_idl_folder());
    return folder->add(text, program, replace_);
  }
  std::string program_, data_;
  std::vector<std::string> from_;
  cluster_options cluster_;
  bool replace_ = false, print_ = false;
};

}  // namespace

extern const command cmd_idl_fetch_entry;
const command cmd_idl_fetch_entry{
    .path = "idl fetch",
    .summary = "keep the IDL that a program has on the chain: Anchor's account or the metadata program's",
    .examples =
        "  osvm idl fetch ADDRESS -u m\n"
        "  osvm idl fetch ADDRESS --from snapshot-100-HASH.tar.zst\n"
        "  osvm idl fetch ADDRESS --from idl-account.json --print\n"
        "  osvm idl fetch ADDRESS --data account.bin",
    .make = make_invocation<idl_fetch>,
};

}  // namespace osvm::cli
