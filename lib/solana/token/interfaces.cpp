// The interfaces that other programs may implement too: token metadata and token groups. The first eight
// bytes are those of a SHA-256 of the instruction's name; what follows is borsh.
#include <osvm/core/text.hpp>

#include "token_2022_instructions.hpp"

namespace osvm::solana::token_2022 {
namespace {

std::string_view text_of(argument_reader& args) {
  const auto b = args.take(args.number<std::uint32_t>());
  const std::string_view text(reinterpret_cast<const char*>(b.data()), b.size());
  if (utf8_prefix(text) != text.size()) args.fail();
  return text;
}

void metadata_of(parsed_info& out) {
  out.need(2);
  out.account("metadata", 0).account("updateAuthority", 1);
}

void initialize_metadata(argument_reader& args, parsed_info& out) {
  out.type = "initializeTokenMetadata";
  metadata_of(out);
  out.account("mint", 2).account("mintAuthority", 3);
  out.text("name", text_of(args)).text("symbol", text_of(args)).text("uri", text_of(args));
}

void update_field(argument_reader& args, parsed_info& out) {
  static constexpr std::string_view fields[] = {"name", "symbol", "uri"};
  out.type = "updateTokenMetadataField";
  metadata_of(out);
  const auto field = args.number<std::uint8_t>();
  if (field > 3) return out.fail();
  out.text("field", field < 3 ? fields[field] : text_of(args));
  out.text("value", text_of(args));
}

void remove_key(argument_reader& args, parsed_info& out) {
  out.type = "removeTokenMetadataKey";
  metadata_of(out);
  out.raw("idempotent", args.boolean() ? "true" : "false");
  out.text("key", text_of(args));
}

void emit(argument_reader& args, parsed_info& out) {
  out.type = "emitTokenMetadata";
  out.account("metadata", 0);
  if (const auto start = args.option<std::uint64_t>()) out.number("start", *start);
  if (const auto end = args.option<std::uint64_t>()) out.number("end", *end);
}

void initialize_group(argument_reader& args, parsed_info& out) {
  out.type = "initializeTokenGroup";
  out.account("group", 0).account("mint", 1).account("mintAuthority", 2);
  key_or_null(out, "updateAuthority", args.key());
  out.number("maxSize", args.number<std::uint64_t>());
}

void group_update(argument_reader& args, parsed_info& out, bool authority) {
  out.type = authority ? "updateTokenGroupAuthority" : "updateTokenGroupMaxSize";
  out.account("group", 0).account("updateAuthority", 1);
  if (authority)
    key_or_null(out, "newAuthority", args.key());
  else
    out.number("maxSize", args.number<std::uint64_t>());
}

void initialize_member(parsed_info& out) {
  out.type = "initializeTokenGroupMember";
  out.account("member", 0).account("memberMint", 1).account("memberMintAuthority", 2);
  out.account("group", 3).account("groupUpdateAuthority", 4);
}

}  // namespace

bool parse_interface(bytes_view data, parsed_info& out) {
  argument_reader args(data);
  switch (args.number<std::uint64_t>()) {
    case 0x8d4db858a21ee1d2: initialize_metadata(args, out); break;
    case 0xc8dccab52d31e9dd: update_field(args, out); break;
    case 0xb5258d59382012ea: remove_key(args, out); break;
    case 0x7b566454e4a6e4d7:
      out.type = "updateTokenMetadataAuthority";
      metadata_of(out);
      key_or_null(out, "newAuthority", args.key());
      break;
    case 0x46b80c0dfab4a6fa: emit(args, out); break;
    case 0x04003336276c7179: initialize_group(args, out); break;
    case 0x6e121ef88fab256c: group_update(args, out, false); break;
    case 0xcbd8dded015869a1: group_update(args, out, true); break;
    case 0x8674eddfb0de2098: initialize_member(out); break;
    default: return false;
  }
  ends(args);
  return args.ok();
}

}  // namespace osvm::solana::token_2022
