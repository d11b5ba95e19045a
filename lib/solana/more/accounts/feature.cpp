// Feature gates: an optional slot.
#include "../../accounts/parser.hpp"

namespace osvm::solana {
namespace {

bool parse_feature(const account_args& in, json_writer& out) {
  argument_reader args(in.data);
  const auto slot = args.option<std::uint64_t>();
  if (!args.ok()) return false;
  write_typed(out, "feature", [&] {
    out.begin_object();
    or_null(out, "activatedAt", slot);
    out.end_object();
  });
  return true;
}

}  // namespace

extern const account_parser feature_more_account;
const account_parser feature_more_account{&programs::feature, "feature-gate", parse_feature};

}  // namespace osvm::solana
