// Instructions of the two loaders before the upgradeable one.
#include <osvm/solana/base64.hpp>

#include "parser.hpp"

namespace osvm::solana {
namespace {

void parse_bpf_loader(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  const auto which = args.number<std::uint32_t>();
  if (which == 0) {
    out.type = "write";
    out.account("account", 0).number("offset", args.number<std::uint32_t>());
    out.text("bytes", base64_encode(args.take(args.count(1))));
  } else if (which == 1) {
    out.type = "finalize";
    out.need(2);
    out.account("account", 0);
  } else {
    out.fail();
  }
  if (!args.ok()) out.fail();
}

}  // namespace

extern const instruction_parser bpf_loader_parser;
const instruction_parser bpf_loader_parser{{&programs::bpf_loader, nullptr}, "bpf-loader", parse_bpf_loader};

}  // namespace osvm::solana
