#include "signature_places.hpp"

namespace osvm::solana {
namespace {

void parse_secp256k1(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  const auto count = args.number<std::uint8_t>();
  read_signature_places<std::uint8_t>(args, count, "ethAddress", out);
}

}  // namespace

extern const instruction_parser secp256k1_more_parser;
const instruction_parser secp256k1_more_parser{
    {&programs::secp256k1_program, nullptr}, "signature-check", parse_secp256k1};

}  // namespace osvm::solana
