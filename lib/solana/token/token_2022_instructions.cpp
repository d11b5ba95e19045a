// Instructions of token-2022 beyond those of the token program, by extension.
#include "token_2022_instructions.hpp"

#include <osvm/core/text.hpp>
#include <osvm/solana/base64.hpp>

namespace osvm::solana::token_2022 {
namespace {

constexpr std::string_view extension_names[] = {"uninitialized",
                                                "transferFeeConfig",
                                                "transferFeeAmount",
                                                "mintCloseAuthority",
                                                "confidentialTransferMint",
                                                "confidentialTransferAccount",
                                                "defaultAccountState",
                                                "immutableOwner",
                                                "memoTransfer",
                                                "nonTransferable",
                                                "interestBearingConfig",
                                                "cpiGuard",
                                                "permanentDelegate",
                                                "nonTransferableAccount",
                                                "transferHook",
                                                "transferHookAccount",
                                                "confidentialTransferFeeConfig",
                                                "confidentialTransferFeeAmount",
                                                "metadataPointer",
                                                "tokenMetadata",
                                                "groupPointer",
                                                "tokenGroup",
                                                "groupMemberPointer",
                                                "tokenGroupMember",
                                                "confidentialMintBurn",
                                                "scaledUiAmount",
                                                "pausable",
                                                "pausableAccount",
                                                "permissionedBurn"};

// The rest of the data as names of extensions; how many there were.
std::size_t extension_list(argument_reader& args, std::string& json) {
  json_writer out(json);
  std::size_t n = 0;
  out.begin_array();
  for (; args.ok() && !args.rest().empty(); ++n) {
    const auto number = args.number<std::uint16_t>();
    if (number >= std::size(extension_names)) return args.fail(), n;
    out.plain(extension_names[number]);
  }
  out.end_array();
  return n;
}

void authority(parsed_info& out, std::size_t at) {
  signers(out, at, "authority", "multisigAuthority");
}

void optional_key(argument_reader& args, parsed_info& out, std::string_view name) {
  if (const auto k = args.option<pubkey>()) out.key(name, *k);
}

void withdraw_withheld(bool from_accounts, argument_reader& args, parsed_info& out) {
  const std::size_t sources = from_accounts ? args.number<std::uint8_t>() : 0;
  out.type = from_accounts ? "withdrawWithheldTokensFromAccounts" : "withdrawWithheldTokensFromMint";
  if (!out.need(3 + sources)) return;
  const auto end = out.accounts() - sources;
  out.account("mint", 0).account("feeRecipient", 1);
  if (from_accounts) account_range(out, "sourceAccounts", end, out.accounts());
  signers(out, 2, "withdrawWithheldAuthority", "multisigWithdrawWithheldAuthority", end);
}

void transfer_checked_with_fee(argument_reader& args, parsed_info& out) {
  out.type = "transferCheckedWithFee";
  out.need(4);
  out.account("source", 0).account("mint", 1).account("destination", 2);
  const auto amount = args.number<std::uint64_t>();
  const auto decimals = args.number<std::uint8_t>();
  out.raw("tokenAmount", ui_amount_json(amount, decimals));
  out.raw("feeAmount", ui_amount_json(args.number<std::uint64_t>(), decimals));
  authority(out, 3);
}

void transfer_fee_instruction(argument_reader& args, parsed_info& out) {
  const auto asked = args.number<std::uint8_t>();
  const auto fee = [&] {
    out.account("mint", 0).number("transferFeeBasisPoints", args.number<std::uint16_t>());
    out.number("maximumFee", args.number<std::uint64_t>());
  };
  switch (asked) {
    case 0:
      out.type = "initializeTransferFeeConfig";
      optional_key(args, out, "transferFeeConfigAuthority");
      optional_key(args, out, "withdrawWithheldAuthority");
      fee();
      break;
    case 1: transfer_checked_with_fee(args, out); break;
    case 2:
    case 3: withdraw_withheld(asked == 3, args, out); break;
    case 4:
      out.type = "harvestWithheldTokensToMint";
      out.account("mint", 0);
      account_range(out, "sourceAccounts", 1, out.accounts());
      break;
    case 5:
      out.type = "setTransferFee";
      out.need(2);
      fee();
      // The lower-case t is the validators' own.
      signers(out, 1, "transferFeeConfigAuthority", "multisigtransferFeeConfigAuthority");
      break;
    default: out.fail();
  }
}

void default_account_state_instruction(argument_reader& args, parsed_info& out) {
  static constexpr const char* states[] = {"uninitialized", "initialized", "frozen"};
  const auto asked = args.number<std::uint8_t>(), state = args.number<std::uint8_t>();
  ends(args);
  if (asked > 1 || state > 2) return out.fail();
  out.type = asked == 0 ? "initializeDefaultAccountState" : "updateDefaultAccountState";
  out.need(asked == 0 ? 1 : 2);
  out.account("mint", 0).text("accountState", states[state]);
  if (asked == 1) signers(out, 1, "freezeAuthority", "multisigFreezeAuthority");
}

// Memo transfer and CPI guard: on or off.
void toggle(argument_reader& args, parsed_info& out, std::string_view what) {
  const auto asked = args.number<std::uint8_t>();
  if (asked > 1) return out.fail();
  out.type = std::string(asked == 0 ? "enable" : "disable").append(what);
  out.need(2);
  out.account("account", 0);
  signers(out, 1, "owner", "multisigOwner");
}

void interest(argument_reader& args, parsed_info& out) {
  const auto asked = args.number<std::uint8_t>();
  if (asked > 1) return out.fail();
  out.type = asked == 0 ? "initializeInterestBearingConfig" : "updateInterestBearingConfigRate";
  out.need(asked == 0 ? 1 : 2);
  out.account("mint", 0);
  if (asked == 0) key_or_null(out, "rateAuthority", args.key());
  out.number(asked == 0 ? "rate" : "newRate", args.number<std::int16_t>());
  if (asked == 1) signers(out, 1, "rateAuthority", "multisigRateAuthority");
  ends(args);
}

// Transfer hook and the three pointers: a mint points at an address.
void pointer(argument_reader& args, parsed_info& out, std::string_view what, std::string_view address) {
  const auto asked = args.number<std::uint8_t>();
  if (asked > 1) return out.fail();
  out.type = std::string(asked == 0 ? "initialize" : "update").append(what);
  out.need(asked == 0 ? 1 : 2);
  out.account("mint", 0);
  if (asked == 0) key_if_any(out, "authority", args.key());
  key_if_any(out, address, args.key());
  if (asked == 1) authority(out, 1);
  ends(args);
}

void scaled_ui_amount_instruction(argument_reader& args, parsed_info& out) {
  const auto asked = args.number<std::uint8_t>();
  if (asked > 1) return out.fail();
  out.type = asked == 0 ? "initializeScaledUiAmountConfig" : "updateMultiplier";
  out.need(asked == 0 ? 1 : 2);
  out.account("mint", 0);
  if (asked == 0) key_or_null(out, "authority", args.key());
  out.text(asked == 0 ? "multiplier" : "newMultiplier", rust_display(args.number<double>()));
  if (asked == 1) {
    out.number("newMultiplierTimestamp", args.number<std::int64_t>());
    authority(out, 1);
  }
  ends(args);
}

void pausable_instruction(argument_reader& args, parsed_info& out) {
  const auto asked = args.number<std::uint8_t>();
  if (asked > 2) return out.fail();
  out.account("mint", 0);
  if (asked == 0) {
    out.type = "initializePausableConfig";
    key_or_null(out, "authority", args.key());
    return ends(args);
  }
  out.type = asked == 1 ? "pause" : "resume";
  out.need(2);
  authority(out, 1);
}

void reallocate(argument_reader& args, parsed_info& out) {
  out.type = "reallocate";
  out.need(4);
  std::string list;
  extension_list(args, list);
  out.account("account", 0).account("payer", 1).account("systemProgram", 2).raw("extensionTypes", list);
  signers(out, 3, "owner", "multisigOwner");
}

void get_account_data_size(argument_reader& args, parsed_info& out) {
  out.type = "getAccountDataSize";
  out.account("mint", 0);
  std::string list;
  if (extension_list(args, list)) out.raw("extensionTypes", list);
}

void ui_amount_to_amount(argument_reader& args, parsed_info& out) {
  const auto b = args.take(args.rest().size());
  const std::string_view text(reinterpret_cast<const char*>(b.data()), b.size());
  if (utf8_prefix(text) != text.size()) return out.fail();
  out.type = "uiAmountToAmount";
  out.account("mint", 0).text("uiAmount", text);
}

// Lamports that an account holds beyond its rent, or wrapped ones, go elsewhere.
void move_lamports(std::uint8_t which, argument_reader& args, parsed_info& out) {
  out.type = which == 38 ? "withdrawExcessLamports" : "unwrapLamports";
  out.need(3);
  out.account("source", 0).account("destination", 1);
  if (which == 45)
    if (const auto amount = args.option<std::uint64_t>()) out.text("amount", std::to_string(*amount));
  authority(out, 2);
}

void mint_with_key(std::uint8_t which, argument_reader& args, parsed_info& out) {
  out.account("mint", 0);
  if (which == 32) {
    out.type = "initializeNonTransferableMint";
  } else if (which == 35) {
    out.type = "initializePermanentDelegate";
    out.key("delegate", args.key());
  } else {
    out.type = "initializeMintCloseAuthority";
    const auto k = args.option<pubkey>();
    k ? out.key("newAuthority", *k) : out.raw("newAuthority", "null");
  }
}

}  // namespace

bool parse(std::uint8_t which, const instruction_args& in, argument_reader& args, parsed_info& out) {
  switch (which) {
    case 21: get_account_data_size(args, out); break;
    case 24: ui_amount_to_amount(args, out); break;
    case 25:
    case 32:
    case 35: mint_with_key(which, args, out); break;
    case 26: transfer_fee_instruction(args, out); break;
    case 27:
    case 37:
    case 42: parse_confidential(which, in, args, out); break;
    case 28: default_account_state_instruction(args, out); break;
    case 29: reallocate(args, out); break;
    case 30: toggle(args, out, "RequiredMemoTransfers"); break;
    case 31:
      out.type = "createNativeMint";
      out.account("payer", 0).account("nativeMint", 1).account("systemProgram", 2);
      break;
    case 33: interest(args, out); break;
    case 34: toggle(args, out, "CpiGuard"); break;
    case 36: pointer(args, out, "TransferHook", "programId"); break;
    case 38:
    case 45: move_lamports(which, args, out); break;
    case 39: pointer(args, out, "MetadataPointer", "metadataAddress"); break;
    case 40: pointer(args, out, "GroupPointer", "groupAddress"); break;
    case 41: pointer(args, out, "GroupMemberPointer", "memberAddress"); break;
    case 43: scaled_ui_amount_instruction(args, out); break;
    case 44: pausable_instruction(args, out); break;
    case 46: parse_permissioned_burn(args, out); break;
    default: return false;
  }
  return true;
}

void signers(parsed_info& out, std::size_t index, std::string_view single, std::string_view multisig,
             std::size_t accounts) {
  const auto end = std::min(accounts, out.accounts());
  if (end <= index + 1) {
    out.account(single, index);
    return;
  }
  out.account(multisig, index);
  account_range(out, "signers", index + 1, end);
}

void key_or_null(parsed_info& out, std::string_view name, const pubkey& key) {
  key.is_zero() ? out.raw(name, "null") : out.key(name, key);
}

void key_if_any(parsed_info& out, std::string_view name, const pubkey& key) {
  if (!key.is_zero()) out.key(name, key);
}

void base64_text(parsed_info& out, std::string_view name, bytes_view bytes) {
  out.text(name, base64_encode(bytes));
}

void account_range(parsed_info& out, std::string_view name, std::size_t from, std::size_t to) {
  std::string json;
  json_writer list(json);
  list.begin_array();
  for (auto i = from; i < to; ++i) {
    const auto* k = out.account_at(i);
    if (!k) return out.fail();
    list.base58(*k);
  }
  list.end_array();
  out.raw(name, json);
}

}  // namespace osvm::solana::token_2022
