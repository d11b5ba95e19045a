// The config program's only instruction: keys that must sign, then the data to store.
#include <osvm/solana/base64.hpp>
#include <osvm/solana/transaction.hpp>

#include "../../instructions/parser.hpp"

namespace osvm::solana {
namespace {

void parse_config(const instruction_args& in, parsed_info& out) {
  byte_reader bytes(in.data);
  const auto count = read_compact_u16(bytes);
  if (!count) return out.fail();
  argument_reader args(in.data.subspan(bytes.position()));
  std::string text;
  json_writer keys(text);
  keys.begin_array();
  for (unsigned i = 0; i < *count && args.ok(); ++i) {
    const auto key = args.key();
    keys.begin_object();
    keys.field("pubkey", key);
    keys.field("signer", args.boolean());
    keys.end_object();
  }
  keys.end_array();
  out.type = "store";
  out.account("configAccount", 0).raw("keys", text).text("data", base64_encode(args.rest()));
  if (!args.ok()) out.fail();
}

}  // namespace

extern const instruction_parser config_more_parser;
const instruction_parser config_more_parser{{&programs::config, nullptr}, "config", parse_config};

}  // namespace osvm::solana
