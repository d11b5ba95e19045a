#include "signature_places.hpp"

namespace osvm::solana {
namespace {

void parse_ed25519(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  const auto count = args.number<std::uint8_t>();
  args.number<std::uint8_t>();  // padding
  read_signature_places<std::uint16_t>(args, count, "publicKey", out);
}

}  // namespace

extern const instruction_parser ed25519_more_parser;
const instruction_parser ed25519_more_parser{
    {&programs::ed25519_program, &programs::secp256r1_program, nullptr}, "signature-check", parse_ed25519};

}  // namespace osvm::solana
