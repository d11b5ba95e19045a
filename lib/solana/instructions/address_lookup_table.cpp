// Instructions of the address lookup table program.
#include "parser.hpp"

namespace osvm::solana {
namespace {

void create(argument_reader& args, parsed_info& out) {
  out.type = "createLookupTable";
  out.need(4);
  out.account("lookupTableAccount", 0).account("lookupTableAuthority", 1).account("payerAccount", 2);
  out.account("systemProgram", 3).number("recentSlot", args.number<std::uint64_t>());
  out.number("bumpSeed", args.number<std::uint8_t>());
}

void extend(argument_reader& args, parsed_info& out) {
  out.type = "extendLookupTable";
  out.need(2);
  out.account("lookupTableAccount", 0).account("lookupTableAuthority", 1);
  std::string added;
  json_writer list(added);
  list.begin_array();
  for (auto n = args.count(pubkey::size); n-- && args.ok();) list.base58(args.key());
  list.end_array();
  out.raw("newAddresses", added);
  if (out.accounts() >= 4) out.account("payerAccount", 2).account("systemProgram", 3);
}

void parse_address_lookup_table(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  const auto which = args.number<std::uint32_t>();
  if (in.accounts.empty()) out.fail();
  switch (which) {
    case 0: create(args, out); break;
    case 2: extend(args, out); break;
    case 1:
    case 3:
    case 4:
      out.type = which == 1 ? "freezeLookupTable" : which == 3 ? "deactivateLookupTable" : "closeLookupTable";
      out.need(2);
      out.account("lookupTableAccount", 0).account("lookupTableAuthority", 1);
      if (which == 4) out.account("recipient", 2);
      break;
    default: out.fail();
  }
  if (!args.ok()) out.fail();
}

}  // namespace

extern const instruction_parser address_lookup_table_parser;
const instruction_parser address_lookup_table_parser{
    {&programs::address_lookup_table, nullptr}, "address-lookup-table", parse_address_lookup_table};

}  // namespace osvm::solana
