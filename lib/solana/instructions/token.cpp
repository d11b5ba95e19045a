// Both token programs: a validator reports either as "spl-token". Token-2022's own are in
// ../token/token_2022_instructions.hpp.
#include "../token/token_2022_instructions.hpp"
#include "parser.hpp"

namespace osvm::solana {
namespace {

using u64 = std::uint64_t;

using token_2022::signers;

std::optional<pubkey> optional_key(argument_reader& args) {
  return args.option<pubkey>();
}

std::string token_amount(argument_reader& args) {
  const auto amount = args.number<u64>();
  return ui_amount_json(amount, args.number<std::uint8_t>());
}

void initialize_mint(std::uint8_t which, argument_reader& args, parsed_info& out) {
  out.type = which == 0 ? "initializeMint" : "initializeMint2";
  out.need(which == 0 ? 2 : 1);
  out.account("mint", 0).number("decimals", args.number<std::uint8_t>()).key("mintAuthority", args.key());
  if (which == 0) out.account("rentSysvar", 1);
  if (const auto freeze = optional_key(args)) out.key("freezeAuthority", *freeze);
}

void initialize_account(std::uint8_t which, argument_reader& args, parsed_info& out) {
  out.type = which == 1 ? "initializeAccount" : which == 16 ? "initializeAccount2" : "initializeAccount3";
  out.need(which == 1 ? 4 : which == 16 ? 3 : 2);
  out.account("account", 0).account("mint", 1);
  if (which == 1)
    out.account("owner", 2).account("rentSysvar", 3);
  else
    out.key("owner", args.key());
  if (which == 16) out.account("rentSysvar", 2);
}

void initialize_multisig(std::uint8_t which, argument_reader& args, parsed_info& out) {
  out.type = which == 2 ? "initializeMultisig" : "initializeMultisig2";
  out.need(which == 2 ? 3 : 2);
  out.account("multisig", 0);
  if (which == 2) out.account("rentSysvar", 1);
  out.account_list("signers", which == 2 ? 2 : 1).number("m", args.number<std::uint8_t>());
}

void set_authority(argument_reader& args, parsed_info& out) {
  static constexpr std::string_view names[] = {"mintTokens",
                                               "freezeAccount",
                                               "accountOwner",
                                               "closeAccount",
                                               "transferFeeConfig",
                                               "withheldWithdraw",
                                               "closeMint",
                                               "interestRate",
                                               "permanentDelegate",
                                               "confidentialTransferMint",
                                               "transferHookProgramId",
                                               "confidentialTransferFeeConfig",
                                               "metadataPointer",
                                               "groupPointer",
                                               "groupMemberPointer",
                                               "scaledUiAmount",
                                               "pause",
                                               "permissionedBurn"};
  const auto kind = args.number<std::uint8_t>();
  if (kind >= std::size(names)) return out.fail();
  out.type = "setAuthority";
  out.need(2);
  out.account(kind == 2 || kind == 3 ? "account" : "mint", 0).text("authorityType", names[kind]);
  const auto next = optional_key(args);
  next ? out.key("newAuthority", *next) : out.raw("newAuthority", "null");
  signers(out, 1, "authority", "multisigAuthority");
}

// Transfer, approve, mint and burn, plain and checked.
void move(std::uint8_t which, argument_reader& args, parsed_info& out) {
  struct shape {
    std::uint8_t tag;
    const char *type, *first, *second, *third, *single, *multisig;
  };
  static constexpr shape shapes[] = {
      {3, "transfer", "source", "destination", nullptr, "authority", "multisigAuthority"},
      {4, "approve", "source", "delegate", nullptr, "owner", "multisigOwner"},
      {7, "mintTo", "mint", "account", nullptr, "mintAuthority", "multisigMintAuthority"},
      {8, "burn", "account", "mint", nullptr, "authority", "multisigAuthority"},
      {12, "transferChecked", "source", "mint", "destination", "authority", "multisigAuthority"},
      {13, "approveChecked", "source", "mint", "delegate", "owner", "multisigOwner"},
      {14, "mintToChecked", "mint", "account", nullptr, "mintAuthority", "multisigMintAuthority"},
      {15, "burnChecked", "account", "mint", nullptr, "authority", "multisigAuthority"},
  };
  for (const auto& s : shapes) {
    if (s.tag != which) continue;
    const std::size_t owner = s.third ? 3 : 2;
    out.type = s.type;
    out.need(owner + 1);
    out.account(s.first, 0).account(s.second, 1);
    if (s.third) out.account(s.third, 2);
    if (which >= 12)
      out.raw("tokenAmount", token_amount(args));
    else
      out.text("amount", std::to_string(args.number<u64>()));
    signers(out, owner, s.single, s.multisig);
  }
}

void manage(std::uint8_t which, parsed_info& out) {
  if (which == 5) {
    out.type = "revoke";
    out.need(2);
    out.account("source", 0);
    signers(out, 1, "owner", "multisigOwner");
  } else if (which == 9) {
    out.type = "closeAccount";
    out.need(3);
    out.account("account", 0).account("destination", 1);
    signers(out, 2, "owner", "multisigOwner");
  } else {
    out.type = which == 10 ? "freezeAccount" : "thawAccount";
    out.need(3);
    out.account("account", 0).account("mint", 1);
    signers(out, 2, "freezeAuthority", "multisigFreezeAuthority");
  }
}

void parse_one(const instruction_args& in, parsed_info& out);

// Several instructions in one: for each, how many of the accounts and of the bytes are its own.
void batch(const instruction_args& in, argument_reader& args, parsed_info& out) {
  std::string list;
  json_writer w(list);
  std::size_t at = 0;
  w.begin_array();
  while (args.ok() && !args.rest().empty()) {
    const std::size_t accounts = args.number<std::uint8_t>();
    const auto data = args.take(args.number<std::uint8_t>());
    if (!args.ok() || accounts > in.accounts.size() - at) return out.fail();
    if (!data.empty() && data[0] == std::byte{255}) return out.fail();  // none within another
    const instruction_args inner{in.accounts.subspan(at, accounts), data, in.keys};
    parsed_info one(inner);
    parse_one(inner, one);
    if (!one.ok()) return out.fail();
    w.raw(one.json());
    at += accounts;
  }
  w.end_array();
  out.type = "batch";
  out.raw("instructions", list);
}

void parse_one(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  const auto which = args.number<std::uint8_t>();
  if (!args.ok() || in.accounts.empty()) return out.fail();
  switch (which) {
    case 0:
    case 20: initialize_mint(which, args, out); break;
    case 1:
    case 16:
    case 18: initialize_account(which, args, out); break;
    case 2:
    case 19: initialize_multisig(which, args, out); break;
    case 3:
    case 4:
    case 7:
    case 8:
    case 12:
    case 13:
    case 14:
    case 15: move(which, args, out); break;
    case 5:
    case 9:
    case 10:
    case 11: manage(which, out); break;
    case 6: set_authority(args, out); break;
    case 17: out.type = "syncNative", out.account("account", 0); break;
    case 22: out.type = "initializeImmutableOwner", out.account("account", 0); break;
    case 23:
      out.type = "amountToUiAmount",
      out.account("mint", 0).text("amount", std::to_string(args.number<u64>()));
      break;
    case 255: batch(in, args, out); break;
    default:
      if (!token_2022::parse(which, in, args, out) && !token_2022::parse_interface(in.data, out)) out.fail();
  }
  if (!args.ok()) out.fail();
}

}  // namespace

extern const instruction_parser token_parser;
const instruction_parser token_parser{{&programs::token, &programs::token_2022}, "spl-token", parse_one};

}  // namespace osvm::solana
