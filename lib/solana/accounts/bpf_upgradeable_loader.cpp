// The upgradeable loader's accounts: buffer, program, program data.
#include "parser.hpp"

namespace osvm::solana {
namespace {

void write_program_data(json_writer& out, const std::optional<pubkey>& authority, bytes_view code,
                        std::optional<std::uint64_t> slot) {
  out.begin_object();
  or_null(out, "authority", authority);
  base64_pair(out, "data", code);
  if (slot) out.field("slot", *slot);
  out.end_object();
}

bool parse_bpf_upgradeable_loader(const account_args& in, json_writer& out) {
  argument_reader args(in.data);
  const auto state = args.number<std::uint32_t>();
  if (!args.ok() || state > 3) return false;
  if (state == 0) return write_type_alone(out, "uninitialized");
  if (state == 2) {
    const auto program_data = args.key();
    write_typed(out, "program", [&] {
      out.begin_object();
      out.field("programData", program_data);
      out.end_object();
    });
    return args.ok();
  }
  std::optional<std::uint64_t> slot;
  if (state == 3) slot = args.number<std::uint64_t>();
  const auto authority = args.option<pubkey>();
  if (!args.ok()) return false;
  write_typed(out, state == 1 ? "buffer" : "programData",
              [&] { write_program_data(out, authority, args.rest(), slot); });
  return true;
}

}  // namespace

extern const account_parser bpf_upgradeable_loader_account;
const account_parser bpf_upgradeable_loader_account{&programs::bpf_loader_upgradeable,
                                                    "bpf-upgradeable-loader", parse_bpf_upgradeable_loader};

}  // namespace osvm::solana
