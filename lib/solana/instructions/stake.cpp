// The stake program takes accounts with sysvars among them, as it always did, and without; which is seen by
// the address at the sysvar's place.
#include "parser.hpp"

namespace osvm::solana {
namespace {

bool is(const parsed_info& out, std::size_t index, const pubkey& key) {
  const auto* k = out.account_at(index);
  return k && *k == key;
}

std::string authority_type(argument_reader& args, parsed_info& out) {
  const auto kind = args.number<std::uint32_t>();
  if (kind > 1) out.fail();
  return kind == 0 ? "Staker" : "Withdrawer";
}

void initialize(argument_reader& args, parsed_info& out) {
  out.type = "initialize";
  std::string authorized, lockup;
  json_writer a(authorized), l(lockup);
  a.begin_object();
  a.field("staker", args.key());
  a.field("withdrawer", args.key());
  a.end_object();
  const auto timestamp = args.number<std::int64_t>();
  const auto epoch = args.number<std::uint64_t>();
  l.begin_object();
  l.field("custodian", args.key());
  l.field("epoch", epoch);
  l.field("unixTimestamp", timestamp);
  l.end_object();
  out.account("stakeAccount", 0).raw("authorized", authorized).raw("lockup", lockup);
  if (is(out, 1, programs::sysvar_rent)) out.account("rentSysvar", 1);
}

void authorize(argument_reader& args, parsed_info& out) {
  out.type = "authorize";
  out.need(2);
  out.account("stakeAccount", 0)
      .key("newAuthority", args.key())
      .text("authorityType", authority_type(args, out));
  const std::size_t with_clock = is(out, 1, programs::sysvar_clock);
  if (with_clock) out.account("clockSysvar", 1);
  out.account("authority", 1 + with_clock);
  if (out.accounts() > 2 + with_clock) out.account("custodian", 2 + with_clock);
}

void delegate(parsed_info& out) {
  out.type = "delegate";
  out.need(3);
  out.account("stakeAccount", 0).account("voteAccount", 1);
  if (!is(out, 2, programs::sysvar_clock)) {
    out.account("stakeAuthority", 2);
    return;
  }
  out.need(5);
  out.account("clockSysvar", 2).account("stakeHistorySysvar", 3);
  if (!is(out, 4, programs::stake_config)) {
    out.account("stakeAuthority", 4);
    return;
  }
  out.account("stakeConfigAccount", 4);
  if (out.accounts() >= 6) out.account("stakeAuthority", 5);
}

void withdraw(argument_reader& args, parsed_info& out) {
  out.type = "withdraw";
  out.need(3);
  out.account("stakeAccount", 0).account("destination", 1).number("lamports", args.number<std::uint64_t>());
  std::size_t at = 2;
  if (is(out, 2, programs::sysvar_clock)) {
    out.need(5);
    out.account("clockSysvar", 2).account("stakeHistorySysvar", 3);
    at = 4;
  }
  out.account("withdrawAuthority", at);
  if (out.accounts() > at + 1) out.account("custodian", at + 1);
}

void deactivate(parsed_info& out) {
  out.type = "deactivate";
  out.need(2);
  out.account("stakeAccount", 0);
  const bool with_clock = is(out, 1, programs::sysvar_clock);
  if (with_clock) out.account("clockSysvar", 1);
  if (!with_clock) out.account("stakeAuthority", 1);
  if (with_clock && out.accounts() >= 3) out.account("stakeAuthority", 2);
}

void merge(parsed_info& out) {
  out.type = "merge";
  out.need(3);
  out.account("destination", 0).account("source", 1);
  if (!is(out, 2, programs::sysvar_clock)) {
    out.account("stakeAuthority", 2);
    return;
  }
  out.need(4);
  out.account("clockSysvar", 2).account("stakeHistorySysvar", 3);
  if (out.accounts() >= 5) out.account("stakeAuthority", 4);
}

void parse(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  switch (args.number<std::uint32_t>()) {
    case 0: initialize(args, out); break;
    case 1: authorize(args, out); break;
    case 2: delegate(out); break;
    case 3:
      out.type = "split";
      out.need(2);
      out.account("stakeAccount", 0)
          .account("newSplitAccount", 1)
          .number("lamports", args.number<std::uint64_t>());
      if (out.accounts() >= 3) out.account("stakeAuthority", 2);
      break;
    case 4: withdraw(args, out); break;
    case 5: deactivate(out); break;
    case 7: merge(out); break;
    default: out.fail();
  }
  if (!args.ok()) out.fail();
}

}  // namespace

extern const instruction_parser stake_parser;
const instruction_parser stake_parser{{&programs::stake, nullptr}, "stake", parse};

}  // namespace osvm::solana
