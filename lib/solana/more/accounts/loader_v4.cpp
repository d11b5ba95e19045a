// Programs of loader v4: 48 bytes, then the ELF file.
#include "../../accounts/parser.hpp"

namespace osvm::solana {
namespace {

bool parse_loader_v4(const account_args& in, json_writer& out) {
  static constexpr std::string_view states[] = {"retracted", "deployed", "finalized"};
  argument_reader args(in.data);
  const auto slot = args.number<std::uint64_t>();
  const auto authority = args.key();
  const auto status = args.number<std::uint64_t>();
  if (!args.ok() || status >= std::size(states)) return false;
  write_typed(out, "program", [&] {
    out.begin_object();
    // A finalized program has no authority: the place names the program that comes after it.
    if (status == 2)
      out.field("nextVersion", authority);
    else
      out.field("authority", authority);
    out.field("programSize", args.rest().size());
    out.field("slot", slot);
    out.field("status", states[status]);
    out.end_object();
  });
  return true;
}

}  // namespace

extern const account_parser loader_v4_more_account;
const account_parser loader_v4_more_account{&programs::loader_v4, "loader-v4", parse_loader_v4};

}  // namespace osvm::solana
