#include <osvm/solana/base64.hpp>

#include "../../instructions/parser.hpp"

namespace osvm::solana {
namespace {

void write(argument_reader& args, parsed_info& out) {
  out.type = "write";
  out.number("offset", args.number<std::uint32_t>());
  out.text("bytes", base64_encode(args.take(args.number<std::uint64_t>())));
}

void parse_loader_v4(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  const auto which = args.number<std::uint32_t>();
  if (which > 6 || !out.need(2)) return out.fail();
  out.account("program", 0).account("authority", 1);
  switch (which) {
    case 0: write(args, out); break;
    case 1:
      out.type = "copy";
      out.account("source", 2).number("destinationOffset", args.number<std::uint32_t>());
      out.number("sourceOffset", args.number<std::uint32_t>());
      out.number("length", args.number<std::uint32_t>());
      break;
    case 2:
      out.type = "setProgramLength";
      out.number("newSize", args.number<std::uint32_t>());
      if (out.accounts() > 2) out.account("recipient", 2);
      break;
    case 3:
      out.type = "deploy";
      if (out.accounts() > 2) out.account("source", 2);
      break;
    case 4: out.type = "retract"; break;
    case 5: out.type = "transferAuthority", out.account("newAuthority", 2); break;
    default: out.type = "finalize", out.account("nextVersion", 2);
  }
  if (!args.ok()) out.fail();
}

}  // namespace

extern const instruction_parser loader_v4_more_parser;
const instruction_parser loader_v4_more_parser{{&programs::loader_v4, nullptr}, "loader-v4", parse_loader_v4};

}  // namespace osvm::solana
