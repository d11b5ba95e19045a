#include "parser.hpp"

namespace osvm::solana {
namespace {

// Each writes fields in the order that its object has; the bytes lie in another.
void write_meta(json_writer& out, argument_reader& args) {
  const auto reserve = args.number<std::uint64_t>();
  const auto staker = args.key(), withdrawer = args.key();
  const auto timestamp = args.number<std::int64_t>();
  const auto epoch = args.number<std::uint64_t>();
  const auto custodian = args.key();
  out.key("meta");
  out.begin_object();
  out.key("authorized");
  out.begin_object();
  out.field("staker", staker);
  out.field("withdrawer", withdrawer);
  out.end_object();
  out.key("lockup");
  out.begin_object();
  out.field("custodian", custodian);
  out.field("epoch", epoch);
  out.field("unixTimestamp", timestamp);
  out.end_object();
  digits(out, "rentExemptReserve", reserve);
  out.end_object();
}

void write_stake(json_writer& out, argument_reader& args, account_release release) {
  const auto voter = args.key();
  const auto stake = args.number<std::uint64_t>();
  const auto activation = args.number<std::uint64_t>(), deactivation = args.number<std::uint64_t>();
  const auto warmup = args.number<double>();
  const auto credits = args.number<std::uint64_t>();
  args.number<std::uint8_t>();  // flags
  out.key("stake");
  out.begin_object();
  out.field("creditsObserved", credits);
  out.key("delegation");
  out.begin_object();
  digits(out, "activationEpoch", activation);
  digits(out, "deactivationEpoch", deactivation);
  digits(out, "stake", stake);
  out.field("voter", voter);
  if (release == account_release::agave_3) out.field("warmupCooldownRate", warmup);
  out.end_object();
  out.end_object();
}

bool parse_stake(const account_args& in, json_writer& out) {
  argument_reader args(in.data);
  const auto state = args.number<std::uint32_t>();
  if (!args.ok() || state > 3) return false;
  if (state == 0) return write_type_alone(out, "uninitialized");
  if (state == 3) return write_type_alone(out, "rewardsPool");
  write_typed(out, state == 1 ? "initialized" : "delegated", [&] {
    out.begin_object();
    write_meta(out, args);
    if (state == 1) {
      out.key("stake");
      out.null();
    } else {
      write_stake(out, args, in.context.release);
    }
    out.end_object();
  });
  return args.ok();
}

}  // namespace

extern const account_parser stake_account;
const account_parser stake_account{&programs::stake, "stake", parse_stake};

}  // namespace osvm::solana
