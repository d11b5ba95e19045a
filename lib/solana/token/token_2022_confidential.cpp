// Proofs lie in other instructions, found by an offset, or in accounts of their own where the offset is 0.
#include <array>

#include "token_2022_instructions.hpp"

namespace osvm::solana::token_2022 {
namespace {

struct proof {
  std::string_view name;  // "equalityProof"
  std::int8_t offset = 0;
};

// Names the accounts that hold proofs, from `at` on, leaving the last `reserved` alone; gives what follows.
std::size_t proof_accounts(parsed_info& out, std::size_t at, std::span<const proof> proofs,
                           std::size_t reserved = 1) {
  const auto left = [&] { return out.accounts() >= reserved && at < out.accounts() - reserved; };
  bool sysvar = false;
  for (const auto& p : proofs) {
    out.number(std::string(p.name) + "InstructionOffset", p.offset);
    sysvar = sysvar || p.offset != 0;
  }
  if (sysvar && left()) out.account("instructionsSysvar", at++);
  for (const auto& p : proofs)
    if (p.offset == 0 && left()) out.account(std::string(p.name) + "ContextStateAccount", at++);
  return at;
}

void owner(parsed_info& out, std::size_t at) {
  signers(out, at, "owner", "multisigOwner");
}

// One proof: its account is at `at`.
void one_proof(parsed_info& out, std::int8_t offset, std::size_t at) {
  out.number("proofInstructionOffset", offset);
  out.account(offset == 0 ? "proofContextStateAccount" : "instructionsSysvar", at);
}

void transfer(argument_reader& args, parsed_info& out) {
  out.type = "confidentialTransfer";
  out.need(4);
  out.account("source", 0).account("mint", 1).account("destination", 2);
  base64_text(out, "newSourceDecryptableAvailableBalance", args.take(36));
  args.take(128);  // what the auditor may read
  std::array<proof, 3> p{{{"equalityProof"}, {"ciphertextValidityProof"}, {"rangeProof"}}};
  for (auto& one : p) one.offset = args.number<std::int8_t>();
  owner(out, proof_accounts(out, 3, p));
}

void transfer_with_fee(argument_reader& args, parsed_info& out) {
  out.type = "confidentialTransferWithFee";
  out.need(4);
  out.account("source", 0).account("mint", 1).account("destination", 2);
  base64_text(out, "newSourceDecryptableAvailableBalance", args.take(36));
  args.take(128);
  std::array<proof, 5> p{{{"equalityProof"},
                          {"transferAmountCiphertextValidityProof"},
                          {"feeSigmaProof"},
                          {"feeCiphertextValidityProof"},
                          {"rangeProof"}}};
  for (auto& one : p) one.offset = args.number<std::int8_t>();
  owner(out, proof_accounts(out, 3, p));
}

void withdraw(argument_reader& args, parsed_info& out) {
  out.type = "withdrawConfidentialTransfer";
  out.need(4);
  out.account("account", 0).account("mint", 1).number("amount", args.number<std::uint64_t>());
  out.number("decimals", args.number<std::uint8_t>());
  base64_text(out, "newDecryptableAvailableBalance", args.take(36));
  std::array<proof, 2> p{{{"equalityProof"}, {"rangeProof"}}};
  for (auto& one : p) one.offset = args.number<std::int8_t>();
  owner(out, proof_accounts(out, 2, p));
}

void deposit(argument_reader& args, parsed_info& out) {
  out.type = "depositConfidentialTransfer";
  out.need(3);
  out.account("account", 0).account("mint", 1).number("amount", args.number<std::uint64_t>());
  out.number("decimals", args.number<std::uint8_t>());
  owner(out, 2);
}

void mint_config(std::uint8_t which, argument_reader& args, parsed_info& out) {
  out.need(which == 0 ? 1 : 2);
  out.account("mint", 0);
  if (which == 0) {
    out.type = "initializeConfidentialTransferMint";
    key_if_any(out, "authority", args.key());
  } else {
    out.type = "updateConfidentialTransferMint";
    out.account("confidentialTransferMintAuthority", 1);
  }
  out.raw("autoApproveNewAccounts", args.number<std::uint8_t>() ? "true" : "false");
  const auto auditor = args.key();
  if (auditor.is_zero())
    out.raw("auditorElGamalPubkey", "null");
  else
    base64_text(out, "auditorElGamalPubkey", auditor.view());
}

void configure(argument_reader& args, parsed_info& out) {
  out.type = "configureConfidentialTransferAccount";
  out.need(4);
  out.account("account", 0).account("mint", 1);
  base64_text(out, "decryptableZeroBalance", args.take(36));
  out.number("maximumPendingBalanceCreditCounter", args.number<std::uint64_t>());
  one_proof(out, args.number<std::int8_t>(), 2);
  owner(out, 3);
}

void apply_pending(argument_reader& args, parsed_info& out) {
  out.type = "applyPendingConfidentialTransferBalance";
  out.need(2);
  out.account("account", 0).number("expectedPendingBalanceCreditCounter", args.number<std::uint64_t>());
  base64_text(out, "newDecryptableAvailableBalance", args.take(36));
  owner(out, 1);
}

void three_accounts(parsed_info& out, const char* type, const char* third) {
  out.type = type;
  out.need(3);
  out.account("account", 0).account("mint", 1).account(third, 2);
}

void parse_transfer(std::uint8_t which, argument_reader& args, parsed_info& out) {
  static constexpr const char* credits[] = {"enableConfidentialTransferConfidentialCredits",
                                            "disableConfidentialTransferConfidentialCredits",
                                            "enableConfidentialTransferNonConfidentialCredits",
                                            "disableConfidentialTransferNonConfidentialCredits"};
  bool sized = true;  // instructions without data do not look at what follows
  switch (which) {
    case 0:
    case 1: mint_config(which, args, out); break;
    case 2: configure(args, out); break;
    case 3:
      three_accounts(out, "approveConfidentialTransferAccount", "confidentialTransferAuditorAuthority");
      sized = false;
      break;
    case 4:
      out.type = "emptyConfidentialTransferAccount";
      out.need(3);
      out.account("account", 0);
      one_proof(out, args.number<std::int8_t>(), 1);
      owner(out, 2);
      break;
    case 5: deposit(args, out); break;
    case 6: withdraw(args, out); break;
    case 7: transfer(args, out); break;
    case 8: apply_pending(args, out); break;
    case 9:
    case 10:
    case 11:
    case 12:
      out.type = credits[which - 9];
      out.need(2);
      out.account("account", 0);
      owner(out, 1);
      sized = false;
      break;
    case 13: transfer_with_fee(args, out); break;
    case 14:
      three_accounts(out, "configureConfidentialAccountWithRegistry", "registry");
      sized = false;
      break;
    default: out.fail();
  }
  if (sized) ends(args);
}

void withdraw_withheld_hidden(bool from_accounts, argument_reader& args, parsed_info& out) {
  const std::size_t sources = from_accounts ? args.number<std::uint8_t>() : 0;
  const auto offset = args.number<std::int8_t>();
  if (!out.need(4 + sources)) return;
  out.account("mint", 0).account("feeRecipient", 1);
  one_proof(out, offset, 2);
  base64_text(out, "newDecryptableAvailableBalance", args.take(36));
  const auto end = out.accounts() - sources;
  if (from_accounts) account_range(out, "sourceAccounts", end, out.accounts());
  out.type = from_accounts ? "withdrawWithheldConfidentialTransferTokensFromAccounts"
                           : "withdrawWithheldConfidentialTransferTokensFromMint";
  signers(out, 3, "withdrawWithheldAuthority", "multisigWithdrawWithheldAuthority", end);
}

void parse_fee(std::uint8_t which, argument_reader& args, parsed_info& out) {
  switch (which) {
    case 0:
      out.type = "initializeConfidentialTransferFeeConfig";
      out.account("mint", 0);
      key_if_any(out, "authority", args.key());
      base64_text(out, "withdrawWithheldAuthorityElGamalPubkey", args.take(32));
      ends(args);
      break;
    case 1:
    case 2:
      withdraw_withheld_hidden(which == 2, args, out);
      ends(args);
      break;
    case 3:
      out.type = "harvestWithheldConfidentialTransferTokensToMint";
      out.account("mint", 0);
      account_range(out, "sourceAccounts", 1, out.accounts());
      break;
    case 4:
    case 5:
      out.type = which == 4 ? "enableConfidentialTransferFeeHarvestToMint"
                            : "disableConfidentialTransferFeeHarvestToMint";
      out.need(2);
      out.account("account", 0);
      owner(out, 1);
      break;
    default: out.fail();
  }
}

void mint_or_burn(bool burn, argument_reader& args, parsed_info& out) {
  out.type = burn ? "confidentialBurn" : "confidentialMint";
  out.need(3);
  out.account("destination", 0).account("mint", 1);
  base64_text(out, burn ? "newDecryptableAvailableBalance" : "newDecryptableSupply", args.take(36));
  args.take(128);
  std::array<proof, 3> p{{{"equalityProof"}, {"ciphertextValidityProof"}, {"rangeProof"}}};
  for (auto& one : p) one.offset = args.number<std::int8_t>();
  owner(out, proof_accounts(out, 2, p));
}

void parse_mint_burn(std::uint8_t which, argument_reader& args, parsed_info& out) {
  if (which != 3 && which != 4) out.account("mint", 0);
  switch (which) {
    case 0:
      out.type = "initializeConfidentialMintBurnMint";
      base64_text(out, "supplyElGamalPubkey", args.take(32));
      base64_text(out, "decryptableSupply", args.take(36));
      break;
    case 1:
      out.type = "rotateConfidentialMintBurnSupplyElGamalPubkey";
      out.need(3);
      base64_text(out, "newSupplyElGamalPubkey", args.take(32));
      one_proof(out, args.number<std::int8_t>(), 1);
      owner(out, 2);
      break;
    case 2:
      out.type = "updateConfidentialMintBurnDecryptableSupply";
      out.need(2);
      base64_text(out, "newDecryptableSupply", args.take(36));
      owner(out, 1);
      break;
    case 3:
    case 4: mint_or_burn(which == 4, args, out); break;
    case 5:
      out.type = "applyPendingBurn";
      out.need(2);
      return owner(out, 1);
    default: out.fail();
  }
  ends(args);
}

void confidential_burn(argument_reader& args, parsed_info& out) {
  out.type = "permissionedConfidentialBurn";
  base64_text(out, "newDecryptableAvailableBalance", args.take(36));
  args.take(128);
  std::array<proof, 3> p{{{"equalityProof"}, {"ciphertextValidityProof"}, {"rangeProof"}}};
  for (auto& one : p) one.offset = args.number<std::int8_t>();
  auto at = proof_accounts(out, 2, p, 2);
  if (at + 1 < out.accounts()) out.account("permissionedBurnAuthority", at++);
  signers(out, at, "authority", "multisigAuthority");
}

}  // namespace

void parse_confidential(std::uint8_t which, const instruction_args&, argument_reader& args,
                        parsed_info& out) {
  const auto asked = args.number<std::uint8_t>();
  if (which == 27) return parse_transfer(asked, args, out);
  if (which == 37) return parse_fee(asked, args, out);
  parse_mint_burn(asked, args, out);
}

void parse_permissioned_burn(argument_reader& args, parsed_info& out) {
  const auto asked = args.number<std::uint8_t>();
  if (asked == 0) {
    out.type = "initializePermissionedBurnConfig";
    out.account("mint", 0).key("authority", args.key());
    return ends(args);
  }
  if (asked > 3 || !out.need(4)) return out.fail();
  out.account("account", 0).account("mint", 1);
  if (asked == 3) {
    confidential_burn(args, out);
    return ends(args);
  }
  const auto amount = args.number<std::uint64_t>();
  out.type = asked == 1 ? "permissionedBurn" : "permissionedBurnChecked";
  out.account("permissionedBurnAuthority", 2);
  if (asked == 1)
    out.text("amount", std::to_string(amount));
  else
    out.raw("tokenAmount", ui_amount_json(amount, args.number<std::uint8_t>()));
  signers(out, 3, "authority", "multisigAuthority");
  ends(args);
}

}  // namespace osvm::solana::token_2022
