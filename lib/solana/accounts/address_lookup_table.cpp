// Address lookup tables: a header of 56 bytes, then addresses.
#include "parser.hpp"

namespace osvm::solana {
namespace {

bool parse_address_lookup_table(const account_args& in, json_writer& out) {
  constexpr std::size_t header = 56;  // addresses follow, however much of it is used
  argument_reader args(in.data);
  const auto state = args.number<std::uint32_t>();
  if (!args.ok() || state > 1) return false;
  if (state == 0) return write_type_alone(out, "uninitialized");
  const auto deactivation = args.number<std::uint64_t>(), extended = args.number<std::uint64_t>();
  const auto start = args.number<std::uint8_t>();
  const auto authority = args.option<pubkey>();
  args.number<std::uint16_t>();  // padding
  if (!args.ok() || in.data.size() < header || (in.data.size() - header) % pubkey::size != 0) return false;
  write_typed(out, "lookupTable", [&] {
    out.begin_object();
    out.key("addresses");
    out.begin_array();
    for (const auto& a : view_as<pubkey>(in.data.subspan(header))) out.base58(a);
    out.end_array();
    if (authority) out.field("authority", *authority);
    digits(out, "deactivationSlot", deactivation);
    digits(out, "lastExtendedSlot", extended);
    out.field("lastExtendedSlotStartIndex", start);
    out.end_object();
  });
  return true;
}

}  // namespace

extern const account_parser address_lookup_table_account;
const account_parser address_lookup_table_account{&programs::address_lookup_table, "address-lookup-table",
                                                  parse_address_lookup_table};

}  // namespace osvm::solana
