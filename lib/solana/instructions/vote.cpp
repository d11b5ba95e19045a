#include <osvm/solana/base64.hpp>

#include "parser.hpp"

namespace osvm::solana {
namespace {

std::string optional_number(std::optional<std::int64_t> v) {
  return v ? std::to_string(*v) : "null";
}
std::string optional_slot(std::optional<std::uint64_t> v) {
  return v ? std::to_string(*v) : "null";
}

// {"hash","slots","timestamp"}
std::string vote(argument_reader& args) {
  std::string text;
  json_writer out(text);
  std::string slots = "[";
  const auto count = args.number<std::uint64_t>();
  for (std::uint64_t i = 0; i < count && args.ok(); ++i)
    slots += (i ? "," : "") + std::to_string(args.number<std::uint64_t>());
  out.begin_object();
  out.field("hash", args.key<hash>());
  out.key("slots");
  out.raw(slots + "]");
  out.key("timestamp");
  out.raw(optional_number(args.option<std::int64_t>()));
  out.end_object();
  return text;
}

struct lockouts {
  std::string json = "[";
  std::optional<std::uint64_t> root;
  void add(std::uint64_t slot, std::uint64_t confirmations) {
    if (json.size() > 1) json += ",";
    json += "{\"confirmation_count\":" + std::to_string(confirmations) + ",\"slot\":" + std::to_string(slot) +
            "}";
  }
};

lockouts read_plain(argument_reader& args) {
  lockouts out;
  const auto count = args.number<std::uint64_t>();
  for (std::uint64_t i = 0; i < count && args.ok(); ++i) {
    const auto slot = args.number<std::uint64_t>();
    out.add(slot, args.number<std::uint32_t>());
  }
  out.root = args.option<std::uint64_t>();
  return out;
}

// Slots as differences from the root on.
lockouts read_compact(argument_reader& args) {
  lockouts out;
  const auto root = args.number<std::uint64_t>();
  if (root != ~0ULL) out.root = root;
  std::uint64_t slot = out.root.value_or(0);
  const auto count = args.varint();
  for (std::uint64_t i = 0; i < count && args.ok(); ++i) {
    slot += args.varint();
    out.add(slot, args.number<std::uint8_t>());
  }
  return out;
}

std::string vote_state(argument_reader& args, bool compact, bool with_block_id) {
  const auto l = compact ? read_compact(args) : read_plain(args);
  const auto h = args.key<hash>();
  const auto timestamp = args.option<std::int64_t>();
  std::string text;
  json_writer out(text);
  out.begin_object();
  if (with_block_id) out.field("blockId", args.key<hash>());
  out.field("hash", h);
  out.key("lockouts");
  out.raw(l.json + "]");
  out.key("root");
  out.raw(optional_slot(l.root));
  out.key("timestamp");
  out.raw(optional_number(timestamp));
  out.end_object();
  return text;
}

void parse_state(std::uint32_t which, argument_reader& args, parsed_info& out) {
  static constexpr const char* types[] = {
      "updatevotestate",        "updatevotestateswitch",        nullptr,     nullptr,
      "compactupdatevotestate", "compactupdatevotestateswitch", "towersync", "towersyncswitch"};
  out.type = types[which - 8];
  out.need(2);
  out.account("voteAccount", 0).account("voteAuthority", 1);
  const bool tower = which >= 14;
  out.raw(tower ? "towerSync" : "voteStateUpdate", vote_state(args, which >= 12, tower));
  if (which % 2 == 1) out.text("hash", args.key<hash>().to_string());
}

std::string authority(argument_reader& args, parsed_info& out) {
  const auto kind = args.number<std::uint32_t>();
  if (kind > 1) out.fail();
  return kind == 0 ? "Voter" : "Withdrawer";
}

void parse_authority(std::uint32_t which, argument_reader& args, parsed_info& out) {
  const bool checked = which == 7 || which == 11, seeded = which >= 10;
  out.type = seeded    ? (checked ? "authorizeCheckedWithSeed" : "authorizeWithSeed")
             : checked ? "authorizeChecked"
                       : "authorize";
  out.need(checked ? 4 : 3);
  out.account("voteAccount", 0)
      .account("clockSysvar", 1)
      .account(seeded ? "authorityBaseKey" : "authority", 2);
  if (which == 1) out.key("newAuthority", args.key());
  out.text("authorityType", authority(args, out));
  if (seeded) out.key("authorityOwner", args.key()).text("authoritySeed", args.string());
  if (which == 10) out.key("newAuthority", args.key());
  if (checked) out.account("newAuthority", 3);
}

void parse_vote(std::uint32_t which, argument_reader& args, parsed_info& out) {
  out.type = which == 2 ? "vote" : "voteSwitch";
  out.need(4);
  out.account("voteAccount", 0)
      .account("slotHashesSysvar", 1)
      .account("clockSysvar", 2)
      .account("voteAuthority", 3);
  out.raw("vote", vote(args));
  if (which == 6) out.text("hash", args.key<hash>().to_string());
}

std::string commission_kind(std::uint32_t kind, parsed_info& out) {
  if (kind > 1) out.fail();
  return kind == 0 ? "InflationRewards" : "BlockRevenue";
}

// Instructions of vote state version 4.
void parse_v4(std::uint32_t which, argument_reader& args, parsed_info& out) {
  out.account("voteAccount", 0);
  switch (which) {
    case 16:
      out.type = "initializeV2";
      args.key();  // the node, which account 1 repeats
      out.account("node", 1).account("inflationRewardsCollector", 2).account("blockRevenueCollector", 3);
      out.key("authorizedVoter", args.key());
      out.text("authorizedVoterBlsPubkey", base64_encode(args.take(48)));
      out.text("authorizedVoterBlsProofOfPossession", base64_encode(args.take(96)));
      out.key("authorizedWithdrawer", args.key());
      out.number("inflationRewardsCommissionBps", args.number<std::uint16_t>());
      out.number("blockRevenueCommissionBps", args.number<std::uint16_t>());
      break;
    case 17:
      out.type = "updateCommissionCollector";
      out.account("newCollector", 1).account("withdrawAuthority", 2);
      out.text("commissionKind", commission_kind(args.number<std::uint32_t>(), out));
      break;
    case 18:
      out.type = "updateCommissionBps";
      out.account("withdrawAuthority", 1).number("commissionBps", args.number<std::uint16_t>());
      out.text("commissionKind", commission_kind(args.number<std::uint32_t>(), out));
      break;
    default:
      out.type = "depositDelegatorRewards";
      out.account("source", 1).number("deposit", args.number<std::uint64_t>());
  }
}

void parse_vote(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  const auto which = args.number<std::uint32_t>();
  switch (which) {
    case 0:
      out.type = "initialize";
      out.need(4);
      args.key();  // the node, which account 3 repeats
      out.account("voteAccount", 0).account("rentSysvar", 1).account("clockSysvar", 2).account("node", 3);
      out.key("authorizedVoter", args.key()).key("authorizedWithdrawer", args.key());
      out.number("commission", args.number<std::uint8_t>());
      break;
    case 3:
      out.type = "withdraw";
      out.need(3);
      out.account("voteAccount", 0).account("destination", 1).account("withdrawAuthority", 2);
      out.number("lamports", args.number<std::uint64_t>());
      break;
    case 4:
      out.type = "updateValidatorIdentity";
      out.need(3);
      out.account("voteAccount", 0).account("newValidatorIdentity", 1).account("withdrawAuthority", 2);
      break;
    case 5:
      out.type = "updateCommission";
      out.need(2);
      out.account("voteAccount", 0)
          .account("withdrawAuthority", 1)
          .number("commission", args.number<std::uint8_t>());
      break;
    case 2:
    case 6: parse_vote(which, args, out); break;
    case 1:
    case 7:
    case 10:
    case 11: parse_authority(which, args, out); break;
    case 8:
    case 9:
    case 12:
    case 13:
    case 14:
    case 15: parse_state(which, args, out); break;
    case 16:
    case 17:
    case 18:
    case 19: parse_v4(which, args, out); break;
    default: out.fail();
  }
  if (!args.ok()) out.fail();
}

}  // namespace

extern const instruction_parser vote_parser;
const instruction_parser vote_parser{{&programs::vote, nullptr}, "vote", parse_vote};

}  // namespace osvm::solana
