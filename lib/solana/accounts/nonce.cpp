// Durable nonce accounts of the system program.
#include "parser.hpp"

namespace osvm::solana {
namespace {

bool parse_nonce(const account_args& in, json_writer& out) {
  argument_reader args(in.data);
  const auto version = args.number<std::uint32_t>(), state = args.number<std::uint32_t>();
  if (version > 1 || state != 1) return false;  // an account that is merely allocated is no nonce
  const auto authority = args.key();
  const auto blockhash = args.key<hash>();
  const auto fee = args.number<std::uint64_t>();
  if (!args.ok()) return false;
  write_typed(out, "initialized", [&] {
    out.begin_object();
    out.field("authority", authority);
    out.field("blockhash", blockhash);
    out.key("feeCalculator");
    out.begin_object();
    digits(out, "lamportsPerSignature", fee);
    out.end_object();
    out.end_object();
  });
  return true;
}

}  // namespace

extern const account_parser nonce_account;
const account_parser nonce_account{&programs::system, "nonce", parse_nonce};

}  // namespace osvm::solana
