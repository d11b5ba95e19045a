#include <osvm/solana/base64.hpp>

#include "../../instructions/parser.hpp"

namespace osvm::solana {
namespace {

bytes_view borsh_bytes(argument_reader& args) {
  return args.take(args.number<std::uint32_t>());
}

void create(argument_reader& args, parsed_info& out) {
  out.type = "create";
  out.account("payer", 1).account("nameAccount", 2).account("owner", 3).account("class", 4);
  out.account("parent", 5);
  if (out.accounts() > 6) out.account("parentOwner", 6);
  out.text("hashedName", base64_encode(borsh_bytes(args)));
  out.number("lamports", args.number<std::uint64_t>()).number("space", args.number<std::uint32_t>());
}

void parse_name_service(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  switch (args.number<std::uint8_t>()) {
    case 0: create(args, out); break;
    case 1:
      out.type = "update";
      out.account("nameAccount", 0).account("signer", 1);
      if (out.accounts() > 2) out.account("parent", 2);
      out.number("offset", args.number<std::uint32_t>());
      out.text("data", base64_encode(borsh_bytes(args)));
      break;
    case 2:
      out.type = "transfer";
      out.account("nameAccount", 0).account("owner", 1).key("newOwner", args.key());
      if (out.accounts() > 2) out.account("class", 2);
      break;
    case 3:
      out.type = "delete";
      out.account("nameAccount", 0).account("owner", 1).account("refundTo", 2);
      break;
    case 4:
      out.type = "realloc";
      out.account("payer", 1).account("nameAccount", 2).account("owner", 3);
      out.number("space", args.number<std::uint32_t>());
      break;
    default: return out.fail();
  }
  if (!args.ok()) out.fail();
}

}  // namespace

extern const instruction_parser name_service_more_parser;
const instruction_parser name_service_more_parser{
    {&programs::name_service, nullptr}, "name-service", parse_name_service};

}  // namespace osvm::solana
