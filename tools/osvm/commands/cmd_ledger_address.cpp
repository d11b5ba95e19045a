#include "../ledger_command.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class ledger_address final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("ledger", folder_, {}, "the ledger folder, or its database folder");
    o.word("address", address_, {}, "an account's address");
    o.value("limit", "N", limit_, "at most so many, newest first");
    o.value("before", "SIGNATURE", before_, "only older ones than this");
    o.value("until", "SIGNATURE", until_, "only newer ones than this");
  }
  int run(context& ctx) override {
    const auto address = solana::pubkey::parse(address_);
    const auto limit = parse_count(limit_, 1, 1'000'000'000);
    if (!address) return ctx.fail(address.error(), exit_code::usage);
    if (!limit) return ctx.fail(limit.error(), exit_code::usage);
    ledger::signatures_query query{.limit = *limit, .level = ledger::commitment::confirmed};
    for (auto [text, to] : {std::pair{&before_, &query.before}, std::pair{&until_, &query.until}}) {
      if (text->empty()) continue;
      auto parsed = solana::signature::parse(*text);
      if (!parsed) return ctx.fail(parsed.error(), exit_code::usage);
      *to = *parsed;
    }
    const auto opened = open_ledger(folder_);
    if (!opened) return ctx.fail(opened.error());
    const auto text = ledger::signatures_json(opened->store, opened->genesis, *address, query);
    if (!text) return ctx.fail(text.error());
    print_json_text(ctx, *text);
    return static_cast<int>(exit_code::done);
  }

 private:
  std::string folder_, address_, limit_ = "1000", before_, until_;
};

}  // namespace

extern const command cmd_ledger_address_entry;
const command cmd_ledger_address_entry{
    .path = "ledger address",
    .summary = "an address's transactions, newest first, as getSignaturesForAddress answers them",
    .examples = "  osvm ledger address ./ledger Vote111111111111111111111111111111111111111 --limit 10",
    .make = make_invocation<ledger_address>,
};

}  // namespace osvm::cli
