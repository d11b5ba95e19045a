// Accounts of Metaplex's token metadata program, told apart by their first byte. Borsh; texts are padded with
// zeros to a fixed length. Early accounts end before the newest fields: what is not there is null.
#include <algorithm>

#include "../../accounts/parser.hpp"

namespace osvm::solana {
namespace {

using reader = argument_reader;

std::string_view text(reader& args, std::size_t limit) {
  const auto n = args.number<std::uint32_t>();
  if (n > limit) return args.fail(), std::string_view();
  const auto b = args.take(n);
  const std::string_view s(reinterpret_cast<const char*>(b.data()), b.size());
  return s.substr(0, std::min(s.find('\0'), s.size()));
}

// Names of a one-byte enum's variants; an unknown one is an error.
template <std::size_t N>
std::string_view variant(reader& args, const std::string_view (&names)[N]) {
  const auto v = args.number<std::uint8_t>();
  if (v >= N) return args.fail(), std::string_view();
  return names[v];
}

void creators(reader& args, json_writer& out) {
  if (!args.boolean()) return out.null();
  const auto n = args.number<std::uint32_t>();
  if (n > args.rest().size() / 34) return args.fail();
  out.begin_array();
  for (std::uint32_t i = 0; i < n; ++i) {
    const auto address = args.key();
    const bool verified = args.boolean();
    out.begin_object();
    out.field("address", address);
    out.field("share", args.number<std::uint8_t>());
    out.field("verified", verified);
    out.end_object();
  }
  out.end_array();
}

struct tail_field {
  std::string_view name;
  void (*write)(reader&, json_writer&);
};

void token_standard(reader& args, json_writer& out) {
  static constexpr std::string_view names[] = {
      "nonFungible",        "fungibleAsset",           "fungible",
      "nonFungibleEdition", "programmableNonFungible", "programmableNonFungibleEdition"};
  out.plain(variant(args, names));
}
void collection(reader& args, json_writer& out) {
  const bool verified = args.boolean();
  out.begin_object();
  out.field("key", args.key());
  out.field("verified", verified);
  out.end_object();
}
void uses(reader& args, json_writer& out) {
  static constexpr std::string_view methods[] = {"burn", "multiple", "single"};
  const auto method = variant(args, methods);
  out.begin_object();
  out.field("remaining", args.number<std::uint64_t>());
  out.field("total", args.number<std::uint64_t>());
  out.field("useMethod", method);
  out.end_object();
}
void collection_details(reader& args, json_writer& out) {
  const auto version = args.number<std::uint8_t>();
  if (version > 1) return args.fail();
  out.begin_object();
  const auto size = args.number<std::uint64_t>();  // padding in the second version
  if (version == 0) out.field("size", size);
  out.field("version", version + 1);
  out.end_object();
}
void programmable_config(reader& args, json_writer& out) {
  if (args.number<std::uint8_t>() != 0) return args.fail();
  out.begin_object();
  or_null(out, "ruleSet", args.option<pubkey>());
  out.end_object();
}
void edition_nonce(reader& args, json_writer& out) {
  out.number(std::uint64_t{args.number<std::uint8_t>()});
}

// Optional fields at the end, in the order of the bytes. From the first that does not parse on all are null:
// accounts of early versions have other bytes there.
constexpr tail_field tail[] = {{"editionNonce", edition_nonce},
                               {"tokenStandard", token_standard},
                               {"collection", collection},
                               {"uses", uses},
                               {"collectionDetails", collection_details},
                               {"programmableConfig", programmable_config}};
// As they are written: sorted.
constexpr std::size_t sorted_tail[] = {2, 4, 0, 5, 1, 3};

std::array<std::string, std::size(tail)> read_tail(reader& args) {
  std::array<std::string, std::size(tail)> out;
  out.fill("null");
  for (std::size_t i = 0; i < std::size(tail) && args.ok() && !args.rest().empty(); ++i) {
    if (!args.boolean()) continue;
    std::string value;
    json_writer writer(value);
    tail[i].write(args, writer);
    if (args.ok()) out[i] = std::move(value);
  }
  return out;
}

bool metadata(reader& args, json_writer& out) {
  const auto authority = args.key(), mint = args.key();
  const auto name = text(args, 4096), symbol = text(args, 4096), uri = text(args, 4096);
  const auto fee = args.number<std::uint16_t>();
  std::string creator_list;
  json_writer list(creator_list);
  creators(args, list);
  const bool sold = args.boolean(), is_mutable = args.boolean();
  if (!args.ok()) return false;
  const auto rest = read_tail(args);
  const auto optional = [&](std::size_t i) { out.key(tail[i].name), out.raw(rest[i]); };
  write_typed(out, "metadata", [&] {
    out.begin_object();
    for (const auto i : std::span(sorted_tail).first(2)) optional(i);
    out.key("creators");
    out.raw(creator_list);
    optional(0);
    out.field("isMutable", is_mutable);
    out.field("mint", mint);
    out.field("name", name);
    out.field("primarySaleHappened", sold);
    optional(5);
    out.field("sellerFeeBasisPoints", fee);
    out.field("symbol", symbol);
    optional(1);
    out.field("updateAuthority", authority);
    out.field("uri", uri);
    optional(3);
    out.end_object();
  });
  return true;
}

template <class Fields>
bool simple(json_writer& out, reader& args, std::string_view type, Fields&& fields) {
  write_typed(out, type, [&] {
    out.begin_object();
    fields();
    out.end_object();
  });
  return args.ok();
}

bool edition(reader& args, json_writer& out) {
  const auto parent = args.key();
  return simple(out, args, "edition", [&] {
    out.field("edition", args.number<std::uint64_t>());
    out.field("parent", parent);
  });
}
bool master_edition(reader& args, json_writer& out, int version) {
  const auto supply = args.number<std::uint64_t>();
  const auto most = args.option<std::uint64_t>();
  return simple(out, args, version == 1 ? "masterEditionV1" : "masterEdition", [&] {
    or_null(out, "maxSupply", most);
    if (version == 1) {
      const auto printing = args.key();
      out.field("oneTimePrintingAuthorizationMint", args.key());
      out.field("printingMint", printing);
    }
    out.field("supply", supply);
  });
}
bool edition_marker(reader& args, json_writer& out, std::size_t size) {
  const auto bits = args.take(size ? size : args.number<std::uint32_t>());
  return simple(out, args, "editionMarker", [&] { base64_pair(out, "ledger", bits); });
}
bool use_authority(reader& args, json_writer& out) {
  const auto allowed = args.number<std::uint64_t>();
  return simple(out, args, "useAuthorityRecord", [&] {
    out.field("allowedUses", allowed);
    out.field("bump", args.number<std::uint8_t>());
  });
}
bool collection_authority(reader& args, json_writer& out) {
  const auto bump = args.number<std::uint8_t>();
  return simple(out, args, "collectionAuthorityRecord", [&] {
    out.field("bump", bump);
    or_null(out, "updateAuthority", args.rest().empty() ? std::nullopt : args.option<pubkey>());
  });
}
bool token_record(reader& args, json_writer& out) {
  static constexpr std::string_view states[] = {"unlocked", "locked", "listed"};
  static constexpr std::string_view roles[] = {"sale",    "transfer", "utility",
                                               "staking", "standard", "lockedTransfer"};
  const auto bump = args.number<std::uint8_t>();
  const auto state = variant(args, states);
  const auto revision = args.option<std::uint64_t>();
  const auto delegate = args.option<pubkey>();
  std::optional<std::string_view> role;
  if (args.boolean()) {
    const auto v = args.number<std::uint8_t>();  // one role, migration, has number 255
    if (v != 255 && v >= std::size(roles)) args.fail();
    role = v == 255 ? "migration" : v < std::size(roles) ? roles[v] : "";
  }
  const auto locked = args.option<pubkey>();
  return simple(out, args, "tokenRecord", [&] {
    out.field("bump", bump);
    or_null(out, "delegate", delegate);
    out.key("delegateRole");
    role ? out.plain(*role) : out.null();
    or_null(out, "lockedTransfer", locked);
    or_null(out, "ruleSetRevision", revision);
    out.field("state", state);
  });
}
bool delegate_record(reader& args, json_writer& out, std::string_view type) {
  const auto bump = args.number<std::uint8_t>();
  const auto mint = args.key(), delegate = args.key();
  return simple(out, args, type, [&] {
    out.field("bump", bump);
    out.field("delegate", delegate);
    out.field("mint", mint);
    out.field("updateAuthority", args.key());
  });
}
bool escrow(reader& args, json_writer& out) {
  const auto base = args.key();
  const auto kind = args.number<std::uint8_t>();
  if (kind > 1) return false;
  const auto creator = kind == 1 ? std::optional(args.key()) : std::nullopt;
  return simple(out, args, "tokenOwnedEscrow", [&] {
    or_null(out, "authority", creator);  // null: the token's owner
    out.field("baseToken", base);
    out.field("bump", args.number<std::uint8_t>());
  });
}

bool parse_metaplex_metadata(const account_args& in, json_writer& out) {
  reader args(in.data);
  switch (args.number<std::uint8_t>()) {
    case 1: return edition(args, out);
    case 2: return master_edition(args, out, 1);
    case 4: return metadata(args, out);
    case 6: return master_edition(args, out, 2);
    case 7: return edition_marker(args, out, 31);
    case 8: return use_authority(args, out);
    case 9: return collection_authority(args, out);
    case 10: return escrow(args, out);
    case 11: return token_record(args, out);
    case 12: return delegate_record(args, out, "metadataDelegate");
    case 13: return edition_marker(args, out, 0);
    case 14: return delegate_record(args, out, "holderDelegate");
  }
  return false;  // uninitialized, and reservation lists, which no program version makes any more
}

}  // namespace

extern const account_parser metaplex_metadata_more_account;
const account_parser metaplex_metadata_more_account{&programs::metaplex_metadata, "metaplex-token-metadata",
                                                    parse_metaplex_metadata};

}  // namespace osvm::solana
