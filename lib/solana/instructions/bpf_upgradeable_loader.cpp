#include <osvm/solana/base64.hpp>

#include "parser.hpp"

namespace osvm::solana {
namespace {

// Names of the first accounts, in order.
void name_accounts(parsed_info& out, std::initializer_list<std::string_view> names) {
  out.need(names.size());
  std::size_t i = 0;
  for (const auto n : names) out.account(n, i++);
}

void account_or_null(parsed_info& out, std::string_view name, std::size_t index) {
  if (out.accounts() > index)
    out.account(name, index);
  else
    out.raw(name, "null");
}

void write(argument_reader& args, parsed_info& out) {
  out.type = "write";
  name_accounts(out, {"account", "authority"});
  out.number("offset", args.number<std::uint32_t>());
  out.text("bytes", base64_encode(args.take(args.count(1))));
}

void parse_bpf_upgradeable_loader(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  const auto which = args.number<std::uint32_t>();
  switch (which) {
    case 0:
      out.type = "initializeBuffer";
      out.account("account", 0);
      if (out.accounts() > 1) out.account("authority", 1);
      break;
    case 1: write(args, out); break;
    case 2:
      out.type = "deployWithMaxDataLen";
      name_accounts(out, {"payerAccount", "programDataAccount", "programAccount", "bufferAccount",
                          "rentSysvar", "clockSysvar", "systemProgram", "authority"});
      out.number("maxDataLen", args.number<std::uint64_t>());
      break;
    case 3:
      out.type = "upgrade";
      name_accounts(out, {"programDataAccount", "programAccount", "bufferAccount", "spillAccount",
                          "rentSysvar", "clockSysvar", "authority"});
      break;
    case 4:
      out.type = "setAuthority";
      name_accounts(out, {"account", "authority"});
      account_or_null(out, "newAuthority", 2);
      break;
    case 5:
      out.type = "close";
      name_accounts(out, {"account", "recipient", "authority"});
      account_or_null(out, "programAccount", 3);
      break;
    case 6:
      out.type = "extendProgram";
      name_accounts(out, {"programDataAccount", "programAccount"});
      account_or_null(out, "systemProgram", 2);
      account_or_null(out, "payerAccount", 3);
      out.number("additionalBytes", args.number<std::uint32_t>());
      break;
    case 7:
      out.type = "setAuthorityChecked";
      name_accounts(out, {"account", "authority", "newAuthority"});
      break;
    default: out.fail();
  }
  if (!args.ok()) out.fail();
}

}  // namespace

extern const instruction_parser bpf_upgradeable_loader_parser;
const instruction_parser bpf_upgradeable_loader_parser{
    {&programs::bpf_loader_upgradeable, nullptr}, "bpf-upgradeable-loader", parse_bpf_upgradeable_loader};

}  // namespace osvm::solana
