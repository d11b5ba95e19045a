#include "parser.hpp"

namespace osvm::solana {
namespace {

void parse_associated_token(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  if (in.data.size() > 1) return out.fail();
  const auto which = in.data.empty() ? std::uint8_t{0} : args.number<std::uint8_t>();
  if (which <= 1) {
    out.type = which == 0 ? "create" : "createIdempotent";
    out.need(6);
    out.account("source", 0).account("account", 1).account("wallet", 2);
    out.account("mint", 3).account("systemProgram", 4).account("tokenProgram", 5);
  } else if (which == 2) {
    out.type = "recoverNested";
    out.need(7);
    out.account("nestedSource", 0)
        .account("nestedMint", 1)
        .account("destination", 2)
        .account("nestedOwner", 3);
    out.account("ownerMint", 4).account("wallet", 5).account("tokenProgram", 6);
  } else {
    out.fail();
  }
}

}  // namespace

extern const instruction_parser associated_token_parser;
const instruction_parser associated_token_parser{
    {&programs::associated_token, nullptr}, "spl-associated-token-account", parse_associated_token};

}  // namespace osvm::solana
