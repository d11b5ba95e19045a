// Instructions of Metaplex's token metadata program. Tables: which accounts an instruction names, and how its
// arguments lie in borsh. One character a type: b bool, c u8, h u16, q u64, k key, s text; ? before a type
// that may be absent, * before one that repeats, an upper-case letter names a shape below.
#include <algorithm>

#include "../../instructions/parser.hpp"

namespace osvm::solana {
namespace {

struct shape {
  char name;
  std::string_view text;  // "field:type …", or "|variant field:type …|variant …"
};
constexpr shape shapes[] = {
    {'C', "address:k verified:b share:c"},
    {'O', "verified:b key:k"},
    {'M', "|burn|multiple|single"},
    {'U', "useMethod:M remaining:q total:q"},
    {'L', "|v1 size:q|v2 padding:q"},
    {'P', "|zero|limited size:q|unlimited"},
    {'T',
     "|nonFungible|fungibleAsset|fungible|nonFungibleEdition|programmableNonFungible|"
     "programmableNonFungibleEdition"},
    {'D', "name:s symbol:s uri:s sellerFeeBasisPoints:h creators:?*C"},
    {'E', "name:s symbol:s uri:s sellerFeeBasisPoints:h creators:?*C collection:?O uses:?U"},
    {'S', "seeds:*x"},
    {'F', "proof:*k"},
    {'Y', "|pubkey key:k|seeds seeds:S|merkleProof proof:F|number number:q"},
    {'N', "name:s value:Y"},
    {'A', "payload:*N"},
    {'R', "address:k spotsRemaining:q totalSpots:q"},
    {'1', "|none|clear|set collection:O"},
    {'2', "|none|clear|set collectionDetails:L"},
    {'3', "|none|clear|set uses:U"},
    {'4', "|none|clear|set ruleSet:k"},
};

// `arguments` may be variants, as a shape's; the one that is there is called "variant". Accounts: those with
// a question mark may be left out, at the end or by the program's own address in their place.
struct known_instruction {
  std::uint8_t tag;
  std::string_view name, accounts, arguments;
};

#define OSVM_TAIL "systemProgram sysvarInstructions"
#define OSVM_RULES "authorizationRulesProgram? authorizationRules?"
#define OSVM_COLLECTION "collectionMint collection collectionMasterEdition collectionAuthorityRecord?"
#define OSVM_EDITION "newMetadata newEdition masterEdition newMint editionMark newMintAuthority payer "
#define OSVM_LOCK                                                                    \
  "authority tokenOwner? token mint metadata edition? tokenRecord? payer " OSVM_TAIL \
  " splTokenProgram? " OSVM_RULES
#define OSVM_DELEGATE                                                                                    \
  "delegateRecord? delegate metadata masterEdition? tokenRecord? mint token? authority payer " OSVM_TAIL \
  " splTokenProgram? " OSVM_RULES
#define OSVM_UPDATE "primarySaleHappened:?b isMutable:?b collection:1 collectionDetails:2 uses:3 ruleSet:4 "

constexpr known_instruction instructions[] = {
    {0, "createMetadataAccount", "metadata mint mintAuthority payer updateAuthority systemProgram rent",
     "data:D isMutable:b"},
    {1, "updateMetadataAccount", "metadata updateAuthority",
     "data:?D newUpdateAuthority:?k primarySaleHappened:?b"},
    // The program has refused these since release 1.1; blocks from before hold them.
    {2, "deprecatedCreateMasterEdition",
     "edition mint printingMint oneTimePrintingAuthorizationMint updateAuthority printingMintAuthority "
     "mintAuthority metadata payer tokenProgram systemProgram rent "
     "oneTimePrintingAuthorizationMintAuthority?",
     "maxSupply:?q"},
    {3, "deprecatedMintNewEditionFromMasterEditionViaPrintingToken",
     "metadata edition masterEdition mint mintAuthority printingMint masterTokenAccount editionMarker "
     "burnAuthority payer masterUpdateAuthority masterMetadata tokenProgram systemProgram rent "
     "reservationList?",
     ""},
    {5, "deprecatedSetReservationList", "masterEdition reservationList resource",
     "reservations:*R totalReservationSpots:?q offset:q totalSpotOffset:q"},
    {6, "deprecatedCreateReservationList",
     "reservationList payer updateAuthority masterEdition resource metadata systemProgram rent", ""},
    {8, "deprecatedMintPrintingTokensViaToken",
     "destination token oneTimePrintingAuthorizationMint printingMint burnAuthority metadata masterEdition "
     "tokenProgram rent",
     "supply:q"},
    {9, "deprecatedMintPrintingTokens",
     "destination printingMint updateAuthority metadata masterEdition tokenProgram rent", "supply:q"},
    {4, "updatePrimarySaleHappenedViaToken", "metadata owner token", ""},
    {7, "signMetadata", "metadata creator", ""},
    {10, "createMasterEdition",
     "edition mint updateAuthority mintAuthority payer metadata tokenProgram systemProgram rent",
     "maxSupply:?q"},
    {11, "mintNewEditionFromMasterEditionViaToken",
     OSVM_EDITION
     "tokenAccountOwner tokenAccount newMetadataUpdateAuthority metadata tokenProgram systemProgram "
     "rent?",
     "edition:q"},
    {12, "convertMasterEditionV1ToV2", "masterEdition oneTimeAuth printingMint", ""},
    {13, "mintNewEditionFromMasterEditionViaVaultProxy",
     OSVM_EDITION
     "vaultAuthority safetyDepositStore safetyDepositBox vault newMetadataUpdateAuthority metadata "
     "tokenProgram tokenVaultProgram systemProgram rent?",
     "edition:q"},
    {14, "puffMetadata", "metadata", ""},
    {15, "updateMetadataAccountV2", "metadata updateAuthority",
     "data:?E newUpdateAuthority:?k primarySaleHappened:?b isMutable:?b"},
    {16, "createMetadataAccountV2", "metadata mint mintAuthority payer updateAuthority systemProgram rent?",
     "data:E isMutable:b"},
    {17, "createMasterEditionV3",
     "edition mint updateAuthority mintAuthority payer metadata tokenProgram systemProgram rent?",
     "maxSupply:?q"},
    {18, "verifyCollection", "metadata collectionAuthority payer " OSVM_COLLECTION, ""},
    {19, "utilize",
     "metadata tokenAccount mint useAuthority owner tokenProgram ataProgram systemProgram rent "
     "useAuthorityRecord? burner?",
     "numberOfUses:q"},
    {20, "approveUseAuthority",
     "useAuthorityRecord owner payer user ownerTokenAccount metadata mint burner tokenProgram systemProgram "
     "rent?",
     "numberOfUses:q"},
    {21, "revokeUseAuthority",
     "useAuthorityRecord owner user ownerTokenAccount mint metadata tokenProgram systemProgram rent?", ""},
    {22, "unverifyCollection", "metadata collectionAuthority " OSVM_COLLECTION, ""},
    {23, "approveCollectionAuthority",
     "collectionAuthorityRecord newCollectionAuthority updateAuthority payer metadata mint systemProgram "
     "rent?",
     ""},
    {24, "revokeCollectionAuthority",
     "collectionAuthorityRecord delegateAuthority revokeAuthority metadata mint", ""},
    {25, "setAndVerifyCollection", "metadata collectionAuthority payer updateAuthority " OSVM_COLLECTION, ""},
    {26, "freezeDelegatedAccount", "delegate tokenAccount edition mint tokenProgram", ""},
    {27, "thawDelegatedAccount", "delegate tokenAccount edition mint tokenProgram", ""},
    {28, "removeCreatorVerification", "metadata creator", ""},
    {29, "burnNft", "metadata owner mint tokenAccount masterEdition splTokenProgram collectionMetadata?", ""},
    {30, "verifySizedCollectionItem", "metadata collectionAuthority payer " OSVM_COLLECTION, ""},
    {31, "unverifySizedCollectionItem", "metadata collectionAuthority payer " OSVM_COLLECTION, ""},
    {32, "setAndVerifySizedCollectionItem",
     "metadata collectionAuthority payer updateAuthority " OSVM_COLLECTION, ""},
    {33, "createMetadataAccountV3", "metadata mint mintAuthority payer updateAuthority systemProgram rent?",
     "data:E isMutable:b collectionDetails:?L"},
    {34, "setCollectionSize",
     "collectionMetadata collectionAuthority collectionMint collectionAuthorityRecord?", "size:q"},
    {35, "setTokenStandard", "metadata updateAuthority mint edition?", ""},
    {36, "bubblegumSetCollectionSize",
     "collectionMetadata collectionAuthority collectionMint bubblegumSigner collectionAuthorityRecord?",
     "size:q"},
    {37, "burnEditionNft",
     "metadata owner printEditionMint masterEditionMint printEditionTokenAccount masterEditionTokenAccount "
     "masterEdition printEdition editionMarker splTokenProgram",
     ""},
    {38, "createEscrowAccount", "escrow metadata mint tokenAccount edition payer " OSVM_TAIL " authority?",
     ""},
    {39, "closeEscrowAccount", "escrow metadata mint tokenAccount edition payer " OSVM_TAIL, ""},
    {40, "transferOutOfEscrow",
     "escrow metadata payer attributeMint attributeSource attributeDestination escrowMint escrowAccount "
     "systemProgram ataProgram tokenProgram sysvarInstructions authority?",
     "amount:q"},
    {41, "burn",
     "authority collectionMetadata? metadata edition? mint token masterEdition? masterEditionMint? "
     "masterEditionToken? editionMarker? tokenRecord? " OSVM_TAIL " splTokenProgram",
     "|v1 amount:q"},
    {42, "create",
     "metadata masterEdition? mint authority payer updateAuthority " OSVM_TAIL " splTokenProgram?",
     "|v1 name:s symbol:s uri:s sellerFeeBasisPoints:h creators:?*C primarySaleHappened:b isMutable:b "
     "tokenStandard:T collection:?O uses:?U collectionDetails:?L ruleSet:?k decimals:?c printSupply:?P"},
    {43, "mint",
     "token tokenOwner? metadata masterEdition? tokenRecord? mint authority delegateRecord? payer " OSVM_TAIL
     " splTokenProgram splAtaProgram " OSVM_RULES,
     "|v1 amount:q authorizationData:?A"},
    {44, "delegate", OSVM_DELEGATE,
     "|collectionV1 authorizationData:?A|saleV1 amount:q authorizationData:?A|transferV1 amount:q "
     "authorizationData:?A|dataV1 authorizationData:?A|utilityV1 amount:q authorizationData:?A|stakingV1 "
     "amount:q "
     "authorizationData:?A|standardV1 amount:q|lockedTransferV1 amount:q lockedAddress:k "
     "authorizationData:?A|programmableConfigV1 authorizationData:?A|authorityItemV1 authorizationData:?A|"
     "dataItemV1 authorizationData:?A|collectionItemV1 authorizationData:?A|programmableConfigItemV1 "
     "authorizationData:?A|printDelegateV1 authorizationData:?A"},
    {45, "revoke", OSVM_DELEGATE,
     "|collectionV1|saleV1|transferV1|dataV1|utilityV1|stakingV1|standardV1|lockedTransferV1|"
     "programmableConfigV1|"
     "migrationV1|authorityItemV1|dataItemV1|collectionItemV1|programmableConfigItemV1|printDelegateV1"},
    {46, "lock", OSVM_LOCK, "|v1 authorizationData:?A"},
    {47, "unlock", OSVM_LOCK, "|v1 authorizationData:?A"},
    {48, "migrate",
     "metadata edition token tokenOwner mint payer authority collectionMetadata delegateRecord "
     "tokenRecord " OSVM_TAIL " splTokenProgram " OSVM_RULES,
     ""},
    {49, "transfer",
     "token tokenOwner destination destinationOwner mint metadata edition? ownerTokenRecord? "
     "destinationTokenRecord? authority payer " OSVM_TAIL " splTokenProgram splAtaProgram " OSVM_RULES,
     "|v1 amount:q authorizationData:?A"},
    {50, "update", "authority delegateRecord? token? mint metadata edition? payer " OSVM_TAIL " " OSVM_RULES,
     "|v1 newUpdateAuthority:?k data:?D " OSVM_UPDATE "authorizationData:?A"
     "|asUpdateAuthorityV2 newUpdateAuthority:?k data:?D " OSVM_UPDATE "tokenStandard:?T authorizationData:?A"
     "|asAuthorityItemDelegateV2 newUpdateAuthority:?k primarySaleHappened:?b isMutable:?b tokenStandard:?T "
     "authorizationData:?A"
     "|asCollectionDelegateV2 collection:1 authorizationData:?A"
     "|asDataDelegateV2 data:?D authorizationData:?A"
     "|asProgrammableConfigDelegateV2 ruleSet:4 authorizationData:?A"
     "|asDataItemDelegateV2 data:?D authorizationData:?A"
     "|asCollectionItemDelegateV2 collection:1 authorizationData:?A"
     "|asProgrammableConfigItemDelegateV2 ruleSet:4 authorizationData:?A"},
    {51, "use",
     "authority delegateRecord? token? mint metadata edition? payer " OSVM_TAIL
     " splTokenProgram? " OSVM_RULES,
     "|v1 authorizationData:?A"},
    {52, "verify",
     "authority delegateRecord? metadata collectionMint? collectionMetadata? "
     "collectionMasterEdition? " OSVM_TAIL,
     "|creatorV1|collectionV1"},
    {53, "unverify", "authority delegateRecord? metadata collectionMint? collectionMetadata? " OSVM_TAIL,
     "|creatorV1|collectionV1"},
    {54, "collect", "authority recipient", ""},
    {55, "print",
     "editionMetadata edition editionMint editionTokenAccountOwner editionTokenAccount editionMintAuthority "
     "editionTokenRecord? masterEdition editionMarker payer masterTokenAccountOwner masterTokenAccount "
     "masterMetadata updateAuthority splTokenProgram splAtaProgram sysvarInstructions systemProgram",
     "|v1 edition:q|v2 edition:q"},
    {56, "resize", "metadata edition mint payer authority? token? systemProgram", ""},
    {57, "closeAccounts", "metadata edition mint authority destination", ""},
};

// The next piece of `text` before `end`; `text` moves behind it.
std::string_view piece(std::string_view& text, char end) {
  const auto n = std::min(text.find(end), text.size());
  const auto out = text.substr(0, n);
  text.remove_prefix(std::min(n + 1, text.size()));
  return out;
}

using fields = std::vector<std::pair<std::string_view, std::string>>;

void append_value(argument_reader& in, std::string_view type, std::string& json);

void read_fields(argument_reader& in, std::string_view text, fields& out) {
  while (!text.empty() && in.ok()) {
    auto field = piece(text, ' ');
    const auto name = piece(field, ':');
    std::string value;
    append_value(in, field, value);
    out.emplace_back(name, std::move(value));
  }
}

// The variant that the next byte names: "name field:type …".
std::string_view chosen(argument_reader& in, std::string_view variants) {
  variants.remove_prefix(1);
  for (auto n = in.number<std::uint8_t>(); n > 0 && !variants.empty(); --n) piece(variants, '|');
  const auto out = piece(variants, '|');
  if (out.empty()) in.fail();
  return out;
}

void append_object(argument_reader& in, std::string_view text, std::string& json) {
  fields list;
  std::string_view variant;
  if (text.starts_with('|')) {
    text = chosen(in, text);
    variant = piece(text, ' ');
    if (text.empty()) return json_writer(json).string(variant);  // nothing but a name
  }
  read_fields(in, text, list);
  std::ranges::sort(list);
  json_writer out(json);
  out.begin_object();
  for (const auto& [name, value] : list) {
    out.key(name);
    out.raw(value);
  }
  if (!variant.empty()) out.field("variant", variant);
  out.end_object();
}

void append_list(argument_reader& in, std::string_view type, std::string& json) {
  const auto n = in.number<std::uint32_t>();
  if (n > in.rest().size()) return in.fail();  // each takes a byte at least
  json += '[';
  for (std::uint32_t i = 0; i < n && in.ok(); ++i) {
    if (i) json += ',';
    append_value(in, type, json);
  }
  json += ']';
}

std::string_view text_of(bytes_view b) {
  const std::string_view s(reinterpret_cast<const char*>(b.data()), b.size());
  return s.substr(0, std::min(s.find('\0'), s.size()));  // padded with zeros
}

void append_value(argument_reader& in, std::string_view type, std::string& json) {
  json_writer out(json);
  const auto rest = type.substr(1);
  switch (type[0]) {
    case '?': return in.boolean() ? append_value(in, rest, json) : out.null();
    case '*': return append_list(in, rest, json);
    case 'b': return out.boolean(in.boolean());
    case 'c': return out.number(std::uint64_t{in.number<std::uint8_t>()});
    case 'h': return out.number(std::uint64_t{in.number<std::uint16_t>()});
    case 'q': return out.number(in.number<std::uint64_t>());
    case 'k': return out.base58(in.key());
    case 's': return out.string(text_of(in.take(in.number<std::uint32_t>())));
    case 'x': return out.base64(in.take(in.number<std::uint32_t>()));
    default: break;
  }
  append_object(in, std::ranges::find(shapes, type[0], &shape::name)->text, json);
}

void read_accounts(std::string_view names, parsed_info& out) {
  for (std::size_t i = 0; !names.empty(); ++i) {
    auto name = piece(names, ' ');
    const bool optional = name.ends_with('?');
    if (optional) name.remove_suffix(1);
    const auto* key = out.account_at(i);
    if (!key && !optional) return out.fail();
    if (key && !(optional && *key == programs::metaplex_metadata)) out.key(name, *key);
  }
}

void parse_metaplex_metadata(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  const auto tag = args.number<std::uint8_t>();
  const auto known = std::ranges::find(instructions, tag, &known_instruction::tag);
  if (!args.ok() || known == std::end(instructions)) return out.fail();
  out.type = known->name;
  read_accounts(known->accounts, out);
  auto text = known->arguments;
  if (text.starts_with('|')) {
    text = chosen(args, text);
    out.text("variant", piece(text, ' '));
  }
  fields list;
  read_fields(args, text, list);
  for (auto& [name, value] : list) out.raw(name, std::move(value));
  if (!args.ok()) out.fail();
}

}  // namespace

extern const instruction_parser metaplex_metadata_more_parser;
const instruction_parser metaplex_metadata_more_parser{
    {&programs::metaplex_metadata, nullptr}, "metaplex-token-metadata", parse_metaplex_metadata};

}  // namespace osvm::solana
