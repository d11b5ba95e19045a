// Vote states of every version that still decodes, shown as the newest one: what it added is filled in as
// the runtime fills it in when it converts an old state.
#include <map>

#include "parser.hpp"

namespace osvm::solana {
namespace {

struct header {
  pubkey node, withdrawer, inflation_collector, block_collector;
  std::uint16_t inflation_bps = 0, block_bps = 10000;
  std::uint64_t pending = 0;
  bytes_view bls{};
};

header read_header(argument_reader& args, std::uint32_t version, const pubkey& address) {
  header h;
  h.node = args.key(), h.withdrawer = args.key();
  if (version < 3) {
    h.inflation_bps = static_cast<std::uint16_t>(args.number<std::uint8_t>() * 100);
    h.inflation_collector = address, h.block_collector = h.node;
    return h;
  }
  h.inflation_collector = args.key(), h.block_collector = args.key();
  h.inflation_bps = args.number<std::uint16_t>(), h.block_bps = args.number<std::uint16_t>();
  h.pending = args.number<std::uint64_t>();
  if (args.boolean()) h.bls = args.take(48);
  return h;
}

std::string read_votes(argument_reader& args, bool latency) {
  std::string text;
  json_writer out(text);
  out.begin_array();
  for (auto n = args.count(latency ? 13 : 12); n-- && args.ok();) {
    const auto late = latency ? args.number<std::uint8_t>() : std::uint8_t{0};
    const auto slot = args.number<std::uint64_t>();
    out.begin_object();
    out.field("confirmationCount", args.number<std::uint32_t>());
    out.field("latency", late);
    out.field("slot", slot);
    out.end_object();
  }
  out.end_array();
  return text;
}

std::string read_voters(argument_reader& args) {
  std::map<std::uint64_t, pubkey> voters;
  for (auto n = args.count(40); n-- && args.ok();) {
    const auto epoch = args.number<std::uint64_t>();
    voters[epoch] = args.key();
  }
  std::string text;
  json_writer out(text);
  out.begin_array();
  for (const auto& [epoch, voter] : voters) {
    out.begin_object();
    out.field("authorizedVoter", voter);
    out.field("epoch", epoch);
    out.end_object();
  }
  out.end_array();
  return text;
}

std::string read_credits(argument_reader& args) {
  std::string text;
  json_writer out(text);
  out.begin_array();
  for (auto n = args.count(24); n-- && args.ok();) {
    const auto epoch = args.number<std::uint64_t>(), credits = args.number<std::uint64_t>();
    out.begin_object();
    digits(out, "credits", credits);
    out.field("epoch", epoch);
    digits(out, "previousCredits", args.number<std::uint64_t>());
    out.end_object();
  }
  out.end_array();
  return text;
}

unsigned percent(std::uint16_t bps, account_release release) {
  if (release == account_release::agave_3) return (bps / 100U) & 0xffU;
  return std::min((bps + 99U) / 100U, 255U);
}

bool parse_vote(const account_args& in, json_writer& out) {
  constexpr std::size_t prior_voters = 32 * 48 + 9;
  argument_reader args(in.data);
  const auto version = args.number<std::uint32_t>();
  if (version < 1 || version > 3) return false;
  const auto h = read_header(args, version, in.address);
  const auto votes = read_votes(args, version > 1);
  const auto root = args.option<std::uint64_t>();
  const auto voters = read_voters(args);
  if (version < 3) args.take(prior_voters);
  const auto credits = read_credits(args);
  const auto last_slot = args.number<std::uint64_t>();
  const auto last_time = args.number<std::int64_t>();
  if (!args.ok()) return false;
  write_typed(out, "vote", [&] {
    out.begin_object();
    out.key("authorizedVoters"), out.raw(voters);
    out.field("authorizedWithdrawer", h.withdrawer);
    out.field("blockRevenueCollector", h.block_collector);
    out.field("blockRevenueCommissionBps", h.block_bps);
    out.key("blsPubkeyCompressed");
    h.bls.empty() ? out.null() : out.base58(h.bls);
    out.field("commission", percent(h.inflation_bps, in.context.release));
    out.key("epochCredits"), out.raw(credits);
    out.field("inflationRewardsCollector", h.inflation_collector);
    out.field("inflationRewardsCommissionBps", h.inflation_bps);
    out.key("lastTimestamp");
    out.begin_object();
    out.field("slot", last_slot);
    out.field("timestamp", last_time);
    out.end_object();
    out.field("nodePubkey", h.node);
    digits(out, "pendingDelegatorRewards", h.pending);
    out.key("priorVoters"), out.raw("[]");  // the newest version has none
    or_null(out, "rootSlot", root);
    out.key("votes"), out.raw(votes);
    out.end_object();
  });
  return true;
}

}  // namespace

std::optional<vote_summary> read_vote_account(bytes_view data) {
  constexpr std::size_t prior_voters = 32 * 48 + 9;
  argument_reader args(data);
  const auto version = args.number<std::uint32_t>();
  if (version < 1 || version > 3) return std::nullopt;
  const auto h = read_header(args, version, {});
  vote_summary out{
      .node = h.node,
      .commission = static_cast<std::uint8_t>(percent(h.inflation_bps, account_release::agave_4))};
  for (auto n = args.count(version > 1 ? 13 : 12); n-- && args.ok();) {
    if (version > 1) args.number<std::uint8_t>();  // latency
    out.last_vote = args.number<std::uint64_t>();
    args.number<std::uint32_t>();  // confirmations
  }
  out.root = args.option<std::uint64_t>();
  for (auto n = args.count(40); n-- && args.ok();) args.take(40);  // voters
  if (version < 3) args.take(prior_voters);
  for (auto n = args.count(24); n-- && args.ok();) {
    auto& c = out.history.emplace_back();
    c.epoch = args.number<std::uint64_t>();
    c.earned = args.number<std::uint64_t>();
    c.before = args.number<std::uint64_t>();
  }
  if (!args.ok()) return std::nullopt;
  return out;
}

extern const account_parser vote_account;
const account_parser vote_account{&programs::vote, "vote", parse_vote};

}  // namespace osvm::solana
