#include "parser.hpp"

namespace osvm::solana {
namespace {

void parse_nonce(std::uint32_t which, argument_reader& args, parsed_info& out) {
  switch (which) {
    case 4:
      out.type = "advanceNonce";
      out.need(3);
      out.account("nonceAccount", 0).account("recentBlockhashesSysvar", 1).account("nonceAuthority", 2);
      return;
    case 5:
      out.type = "withdrawFromNonce";
      out.need(5);
      out.account("nonceAccount", 0).account("destination", 1).account("recentBlockhashesSysvar", 2);
      out.account("rentSysvar", 3)
          .account("nonceAuthority", 4)
          .number("lamports", args.number<std::uint64_t>());
      return;
    case 6:
      out.type = "initializeNonce";
      out.need(3);
      out.account("nonceAccount", 0).account("recentBlockhashesSysvar", 1).account("rentSysvar", 2);
      out.key("nonceAuthority", args.key());
      return;
    case 7:
      out.type = "authorizeNonce";
      out.need(2);
      out.account("nonceAccount", 0).account("nonceAuthority", 1).key("newAuthorized", args.key());
      return;
    default:
      out.type = "upgradeNonce";
      out.need(1);
      out.account("nonceAccount", 0);
  }
}

void parse_seeded(std::uint32_t which, argument_reader& args, parsed_info& out) {
  if (which == 11) {
    out.type = "transferWithSeed";
    out.need(3);
    out.account("source", 0).account("sourceBase", 1).account("destination", 2);
    out.number("lamports", args.number<std::uint64_t>())
        .text("sourceSeed", args.string())
        .key("sourceOwner", args.key());
    return;
  }
  out.need(2);
  if (which == 3) {
    out.type = "createAccountWithSeed";
    out.account("source", 0).account("newAccount", 1);
  } else {
    out.type = which == 9 ? "allocateWithSeed" : "assignWithSeed";
    out.account("account", 0);
  }
  out.key("base", args.key()).text("seed", args.string());
  if (which == 3) out.number("lamports", args.number<std::uint64_t>());
  if (which != 10) out.number("space", args.number<std::uint64_t>());
  out.key("owner", args.key());
}

// The account may hold lamports already; with none to add there is no source.
void create_prefunded(argument_reader& args, parsed_info& out) {
  out.type = "createAccountAllowPrefund";
  const auto lamports = args.number<std::uint64_t>();
  out.account("newAccount", 0);
  if (lamports != 0) out.account("source", 1).number("lamports", lamports);
  out.number("space", args.number<std::uint64_t>()).key("owner", args.key());
}

void parse_system(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  const auto which = args.number<std::uint32_t>();
  switch (which) {
    case 0:
      out.type = "createAccount";
      out.need(2);
      out.account("source", 0).account("newAccount", 1).number("lamports", args.number<std::uint64_t>());
      out.number("space", args.number<std::uint64_t>()).key("owner", args.key());
      break;
    case 1:
      out.type = "assign";
      out.account("account", 0).key("owner", args.key());
      break;
    case 2:
      out.type = "transfer";
      out.need(2);
      out.account("source", 0).account("destination", 1).number("lamports", args.number<std::uint64_t>());
      break;
    case 8:
      out.type = "allocate";
      out.account("account", 0).number("space", args.number<std::uint64_t>());
      break;
    case 3:
    case 9:
    case 10:
    case 11: parse_seeded(which, args, out); break;
    case 4:
    case 5:
    case 6:
    case 7:
    case 12: parse_nonce(which, args, out); break;
    case 13: create_prefunded(args, out); break;
    default: out.fail();
  }
  if (!args.ok()) out.fail();
}

}  // namespace

extern const instruction_parser system_parser;
const instruction_parser system_parser{{&programs::system, nullptr}, "system", parse_system};

}  // namespace osvm::solana
