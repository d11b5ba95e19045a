// The stake program takes accounts with sysvars among them, as it always did, and without; which is seen by
// the address at the sysvar's place.
#include "parser.hpp"

namespace osvm::solana {
namespace {

bool is(const parsed_info& out, std::size_t index, const pubkey& key) {
  const auto* k = out.account_at(index);
  return k && *k == key;
}

// Names the sysvar at `index` if it is there; gives how many accounts that moves the others by.
std::size_t sysvar(parsed_info& out, std::size_t index, const pubkey& key, std::string_view name) {
  if (!is(out, index, key)) return 0;
  out.account(name, index);
  return 1;
}
std::size_t clock(parsed_info& out, std::size_t index) {
  return sysvar(out, index, programs::sysvar_clock, "clockSysvar");
}
std::size_t clock_and_history(parsed_info& out, std::size_t index) {
  if (!clock(out, index)) return 0;
  out.account("stakeHistorySysvar", index + 1);
  return 2;
}
void custodian(parsed_info& out, std::size_t index) {
  if (out.accounts() > index) out.account("custodian", index);
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
  sysvar(out, 1, programs::sysvar_rent, "rentSysvar");
}

void initialize_checked(parsed_info& out) {
  out.type = "initializeChecked";
  const auto at = 1 + sysvar(out, 1, programs::sysvar_rent, "rentSysvar");
  out.account("stakeAccount", 0).account("staker", at).account("withdrawer", at + 1);
}

void authorize(argument_reader& args, parsed_info& out, bool checked) {
  out.type = checked ? "authorizeChecked" : "authorize";
  out.account("stakeAccount", 0);
  auto at = 1 + clock(out, 1);
  out.account("authority", at++);
  if (checked)
    out.account("newAuthority", at++);
  else
    out.key("newAuthority", args.key());
  out.text("authorityType", authority_type(args, out));
  custodian(out, at);
}

void authorize_with_seed(argument_reader& args, parsed_info& out, bool checked) {
  out.type = checked ? "authorizeCheckedWithSeed" : "authorizeWithSeed";
  out.account("stakeAccount", 0).account("authorityBase", 1);
  auto at = 2 + clock(out, 2);
  if (checked)
    out.account("newAuthorized", at++);
  else
    out.key("newAuthorized", args.key());
  out.text("authorityType", authority_type(args, out)).text("authoritySeed", args.string());
  out.key("authorityOwner", args.key());
  custodian(out, at);
}

void delegate(parsed_info& out) {
  out.type = "delegate";
  out.account("stakeAccount", 0).account("voteAccount", 1);
  if (!clock_and_history(out, 2)) {
    out.account("stakeAuthority", 2);
    return;
  }
  out.account("stakeConfigAccount", 4).account("stakeAuthority", 5);
}

void withdraw(argument_reader& args, parsed_info& out) {
  out.type = "withdraw";
  out.account("stakeAccount", 0).account("destination", 1).number("lamports", args.number<std::uint64_t>());
  const auto at = 2 + clock_and_history(out, 2);
  out.account("withdrawAuthority", at);
  custodian(out, at + 1);
}

void deactivate(parsed_info& out) {
  out.type = "deactivate";
  out.account("stakeAccount", 0).account("stakeAuthority", 1 + clock(out, 1));
}

void merge(parsed_info& out) {
  out.type = "merge";
  out.account("destination", 0).account("source", 1);
  out.account("stakeAuthority", 2 + clock_and_history(out, 2));
}

void set_lockup(argument_reader& args, parsed_info& out, bool checked) {
  out.type = checked ? "setLockupChecked" : "setLockup";
  const auto timestamp = args.option<std::int64_t>();
  const auto epoch = args.option<std::uint64_t>();
  std::optional<pubkey> next;
  if (!checked)
    next = args.option<pubkey>();
  else if (const auto* k = out.account_at(2))
    next = *k;
  std::string lockup;
  json_writer l(lockup);
  l.begin_object();
  if (next) l.field("custodian", *next);
  if (epoch) l.field("epoch", *epoch);
  if (timestamp) l.field("unixTimestamp", *timestamp);
  l.end_object();
  out.account("stakeAccount", 0).account("custodian", 1).raw("lockup", lockup);
}

void split_or_move(std::uint32_t which, argument_reader& args, parsed_info& out) {
  out.type = which == 3 ? "split" : which == 16 ? "moveStake" : "moveLamports";
  out.account(which == 3 ? "stakeAccount" : "source", 0);
  out.account(which == 3 ? "newSplitAccount" : "destination", 1).account("stakeAuthority", 2);
  out.number("lamports", args.number<std::uint64_t>());
}

void rare(std::uint32_t which, parsed_info& out) {
  if (which == 13) {
    out.type = "getMinimumDelegation";
    out.whole = R"({"type":"getMinimumDelegation"})";
  } else if (which == 14) {
    out.type = "deactivateDelinquent";
    out.account("stakeAccount", 0).account("voteAccount", 1).account("referenceVoteAccount", 2);
  } else {
    out.type = "redelegate";
    out.account("stakeAccount", 0).account("newStakeAccount", 1).account("voteAccount", 2);
    out.account("stakeConfigAccount", 3).account("stakeAuthority", 4);
  }
}

void parse_stake(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  const auto which = args.number<std::uint32_t>();
  if (in.accounts.empty()) return out.fail();
  switch (which) {
    case 0: initialize(args, out); break;
    case 1: authorize(args, out, false); break;
    case 2: delegate(out); break;
    case 3:
    case 16:
    case 17: split_or_move(which, args, out); break;
    case 4: withdraw(args, out); break;
    case 5: deactivate(out); break;
    case 6: set_lockup(args, out, false); break;
    case 7: merge(out); break;
    case 8: authorize_with_seed(args, out, false); break;
    case 9: initialize_checked(out); break;
    case 10: authorize(args, out, true); break;
    case 11: authorize_with_seed(args, out, true); break;
    case 12: set_lockup(args, out, true); break;
    case 13:
    case 14:
    case 15: rare(which, out); break;
    default: out.fail();
  }
  if (!args.ok()) out.fail();
}

}  // namespace

extern const instruction_parser stake_parser;
const instruction_parser stake_parser{{&programs::stake, nullptr}, "stake", parse_stake};

}  // namespace osvm::solana
