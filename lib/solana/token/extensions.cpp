// Token-2022's extensions. A table gives each number its length and what it may extend; one whose value does
// not fit is named "unparseableExtension", an unknown number hides all of them, as the token program's own
// reader has it.
#include <osvm/core/text.hpp>

#include <vector>

#include "../accounts/parser.hpp"

namespace osvm::solana {
namespace {

using reader = argument_reader;

// Zero bytes mean that there is none.
void key_or_null(json_writer& out, std::string_view name, const pubkey& k) {
  out.key(name);
  k.is_zero() ? out.null() : out.base58(k);
}
void base64(json_writer& out, std::string_view name, bytes_view b) {
  out.key(name);
  out.base64(b);
}
bool truth(reader& args) {
  return args.number<std::uint8_t>() != 0;
}

void transfer_fee(json_writer& out, std::string_view name, reader& args) {
  const auto epoch = args.number<std::uint64_t>(), most = args.number<std::uint64_t>();
  out.key(name);
  out.begin_object();
  out.field("epoch", epoch);
  out.field("maximumFee", most);
  out.field("transferFeeBasisPoints", args.number<std::uint16_t>());
  out.end_object();
}

void transfer_fee_config(reader& args, json_writer& out) {
  const auto config = args.key(), withdraw = args.key();
  const auto withheld = args.number<std::uint64_t>();
  reader older(args.take(18));
  transfer_fee(out, "newerTransferFee", args);
  transfer_fee(out, "olderTransferFee", older);
  key_or_null(out, "transferFeeConfigAuthority", config);
  key_or_null(out, "withdrawWithheldAuthority", withdraw);
  out.field("withheldAmount", withheld);
}

void transfer_fee_amount(reader& args, json_writer& out) {
  out.field("withheldAmount", args.number<std::uint64_t>());
}

void mint_close_authority(reader& args, json_writer& out) {
  key_or_null(out, "closeAuthority", args.key());
}

void confidential_transfer_mint(reader& args, json_writer& out) {
  const auto authority = args.key();
  const auto approve = truth(args);
  const auto auditor = args.take(32);
  const bool none = view_as<pubkey>(auditor)[0].is_zero();
  out.key("auditorElgamalPubkey");
  none ? out.null() : out.base64(auditor);
  key_or_null(out, "authority", authority);
  out.field("autoApproveNewAccounts", approve);
}

void confidential_transfer_account(reader& args, json_writer& out) {
  const auto approved = truth(args);
  const auto elgamal = args.take(32), low = args.take(64), high = args.take(64), available = args.take(64),
             decryptable = args.take(36);
  const auto confidential = truth(args), plain = truth(args);
  const auto pending = args.number<std::uint64_t>(), most = args.number<std::uint64_t>(),
             expected = args.number<std::uint64_t>(), actual = args.number<std::uint64_t>();
  out.field("actualPendingBalanceCreditCounter", actual);
  out.field("allowConfidentialCredits", confidential);
  out.field("allowNonConfidentialCredits", plain);
  out.field("approved", approved);
  base64(out, "availableBalance", available);
  base64(out, "decryptableAvailableBalance", decryptable);
  base64(out, "elgamalPubkey", elgamal);
  out.field("expectedPendingBalanceCreditCounter", expected);
  out.field("maximumPendingBalanceCreditCounter", most);
  base64(out, "pendingBalanceHi", high);
  base64(out, "pendingBalanceLo", low);
  out.field("pendingBalanceCreditCounter", pending);
}

void default_account_state(reader& args, json_writer& out) {
  const auto s = args.number<std::uint8_t>();
  out.field("accountState", s == 1 ? "initialized" : s == 2 ? "frozen" : "uninitialized");
}

void memo_transfer(reader& args, json_writer& out) {
  out.field("requireIncomingTransferMemos", truth(args));
}

void interest_bearing_config(reader& args, json_writer& out) {
  const auto authority = args.key();
  const auto since = args.number<std::int64_t>();
  const auto before = args.number<std::int16_t>();
  const auto updated = args.number<std::int64_t>();
  out.field("currentRate", args.number<std::int16_t>());
  out.field("initializationTimestamp", since);
  out.field("lastUpdateTimestamp", updated);
  out.field("preUpdateAverageRate", before);
  key_or_null(out, "rateAuthority", authority);
}

void cpi_guard(reader& args, json_writer& out) {
  out.field("lockCpi", truth(args));
}
void permanent_delegate(reader& args, json_writer& out) {
  key_or_null(out, "delegate", args.key());
}
void transfer_hook(reader& args, json_writer& out) {
  key_or_null(out, "authority", args.key());
  key_or_null(out, "programId", args.key());
}
void transfer_hook_account(reader& args, json_writer& out) {
  out.field("transferring", truth(args));
}

void confidential_transfer_fee_config(reader& args, json_writer& out) {
  key_or_null(out, "authority", args.key());
  const auto elgamal = args.take(32);
  out.field("harvestToMintEnabled", truth(args));
  base64(out, "withdrawWithheldAuthorityElgamalPubkey", elgamal);
  base64(out, "withheldAmount", args.take(64));
}
void confidential_transfer_fee_amount(reader& args, json_writer& out) {
  base64(out, "withheldAmount", args.take(64));
}

void metadata_pointer(reader& args, json_writer& out) {
  key_or_null(out, "authority", args.key());
  key_or_null(out, "metadataAddress", args.key());
}
void group_pointer(reader& args, json_writer& out) {
  key_or_null(out, "authority", args.key());
  key_or_null(out, "groupAddress", args.key());
}
void group_member_pointer(reader& args, json_writer& out) {
  key_or_null(out, "authority", args.key());
  key_or_null(out, "memberAddress", args.key());
}

void token_group(reader& args, json_writer& out) {
  const auto authority = args.key(), mint = args.key();
  const auto size = args.number<std::uint64_t>();
  out.field("maxSize", args.number<std::uint64_t>());
  out.field("mint", mint);
  out.field("size", size);
  key_or_null(out, "updateAuthority", authority);
}

void token_group_member(reader& args, json_writer& out) {
  const auto mint = args.key();
  out.field("group", args.key());
  out.field("memberNumber", args.number<std::uint64_t>());
  out.field("mint", mint);
}

void confidential_mint_burn(reader& args, json_writer& out) {
  base64(out, "confidentialSupply", args.take(64));
  base64(out, "decryptableSupply", args.take(36));
  const auto elgamal = args.take(32);
  base64(out, "pendingBurn", args.take(64));
  base64(out, "supplyElgamalPubkey", elgamal);
}

void scaled_ui_amount(reader& args, json_writer& out) {
  key_or_null(out, "authority", args.key());
  out.field("multiplier", std::string_view(rust_display(args.number<double>())));
  const auto from = args.number<std::int64_t>();
  out.field("newMultiplier", std::string_view(rust_display(args.number<double>())));
  out.field("newMultiplierEffectiveTimestamp", from);
}

void pausable(reader& args, json_writer& out) {
  key_or_null(out, "authority", args.key());
  out.field("paused", truth(args));
}
void permissioned_burn(reader& args, json_writer& out) {
  key_or_null(out, "authority", args.key());
}

std::string_view borsh_string(reader& args) {
  const auto b = args.take(args.number<std::uint32_t>());
  const std::string_view text(reinterpret_cast<const char*>(b.data()), b.size());
  if (utf8_prefix(text) != text.size()) args.fail();
  return text;
}

void token_metadata(reader& args, json_writer& out) {
  const auto authority = args.key(), mint = args.key();
  const auto name = borsh_string(args), symbol = borsh_string(args), uri = borsh_string(args);
  out.key("additionalMetadata");
  out.begin_array();
  for (auto n = args.number<std::uint32_t>(); n-- && args.ok();) {
    out.begin_array();
    out.string(borsh_string(args));
    out.string(borsh_string(args));
    out.end_array();
  }
  out.end_array();
  out.field("mint", mint);
  out.field("name", name);
  out.field("symbol", symbol);
  key_or_null(out, "updateAuthority", authority);
  out.field("uri", uri);
}

struct extension_shape {
  std::string_view name;
  bool extends_mint;
  std::size_t size;                      // 0: the value is not looked at, or has any length
  void (*write)(reader&, json_writer&);  // null: there is no state to show
};
constexpr extension_shape shapes[] = {
    {"uninitialized", false, 0, nullptr},
    {"transferFeeConfig", true, 108, transfer_fee_config},
    {"transferFeeAmount", false, 8, transfer_fee_amount},
    {"mintCloseAuthority", true, 32, mint_close_authority},
    {"confidentialTransferMint", true, 65, confidential_transfer_mint},
    {"confidentialTransferAccount", false, 295, confidential_transfer_account},
    {"defaultAccountState", true, 1, default_account_state},
    {"immutableOwner", false, 0, nullptr},
    {"memoTransfer", false, 1, memo_transfer},
    {"nonTransferable", true, 0, nullptr},
    {"interestBearingConfig", true, 52, interest_bearing_config},
    {"cpiGuard", false, 1, cpi_guard},
    {"permanentDelegate", true, 32, permanent_delegate},
    {"nonTransferableAccount", false, 0, nullptr},
    {"transferHook", true, 64, transfer_hook},
    {"transferHookAccount", false, 1, transfer_hook_account},
    {"confidentialTransferFeeConfig", true, 129, confidential_transfer_fee_config},
    {"confidentialTransferFeeAmount", false, 64, confidential_transfer_fee_amount},
    {"metadataPointer", true, 64, metadata_pointer},
    {"tokenMetadata", true, 0, token_metadata},
    {"groupPointer", true, 64, group_pointer},
    {"tokenGroup", true, 80, token_group},
    {"groupMemberPointer", true, 64, group_member_pointer},
    {"tokenGroupMember", true, 72, token_group_member},
    {"confidentialMintBurn", true, 196, confidential_mint_burn},
    {"scaledUiAmountConfig", true, 56, scaled_ui_amount},
    {"pausableConfig", true, 33, pausable},
    {"pausableAccount", false, 0, nullptr},
    {"permissionedBurnConfig", true, 32, permissioned_burn},
};

// The numbers in order; nothing when the list is broken or one is unknown.
std::optional<std::vector<std::uint16_t>> list_extensions(bytes_view tlv) {
  std::vector<std::uint16_t> out;
  reader args(tlv);
  while (args.rest().size() >= 2) {
    const auto number = args.number<std::uint16_t>();
    if (number >= std::size(shapes)) return std::nullopt;
    if (number == 0) break;
    args.take(args.number<std::uint16_t>());
    if (!args.ok()) return std::nullopt;
    out.push_back(number);
  }
  return out;
}

void write_one(json_writer& out, bytes_view tlv, std::uint16_t number, bool is_mint) {
  const auto& shape = shapes[number];
  std::string state;
  bool ok = true;
  if (shape.write) {
    const auto value = find_token_extension(tlv, number);
    ok = value && shape.extends_mint == is_mint && (shape.size == 0 || value->size() == shape.size);
    if (ok) {
      reader args(*value);
      json_writer w(state);
      w.begin_object();
      shape.write(args, w);
      w.end_object();
      ok = args.ok();
    }
  }
  out.begin_object();
  out.field("extension", ok ? shape.name : "unparseableExtension");
  if (ok && shape.write) {
    out.key("state");
    out.raw(state);
  }
  out.end_object();
}

}  // namespace

std::optional<bytes_view> find_token_extension(bytes_view tlv, std::uint16_t number) noexcept {
  reader args(tlv);
  while (args.rest().size() >= 4) {
    const auto found = args.number<std::uint16_t>();
    if (found == 0) return std::nullopt;
    const auto value = args.take(args.number<std::uint16_t>());
    if (!args.ok()) return std::nullopt;
    if (found == number) return value;
  }
  return std::nullopt;
}

void write_token_extensions(json_writer& out, bytes_view tlv, bool is_mint) {
  const auto numbers = list_extensions(tlv);
  if (!numbers || numbers->empty()) return;
  out.key("extensions");
  out.begin_array();
  for (const auto n : *numbers) write_one(out, tlv, n, is_mint);
  out.end_array();
}

}  // namespace osvm::solana
