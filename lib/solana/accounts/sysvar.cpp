// Sysvars are told apart by their address; the table at the end lists them.
#include "parser.hpp"

namespace osvm::solana {
namespace {

using reader = argument_reader;

void clock(reader& args, json_writer& out, account_release) {
  const auto slot = args.number<std::uint64_t>();
  const auto start = args.number<std::int64_t>();
  const auto epoch = args.number<std::uint64_t>(), leader_epoch = args.number<std::uint64_t>();
  out.begin_object();
  out.field("epoch", epoch);
  out.field("epochStartTimestamp", start);
  out.field("leaderScheduleEpoch", leader_epoch);
  out.field("slot", slot);
  out.field("unixTimestamp", args.number<std::int64_t>());
  out.end_object();
}

void epoch_schedule(reader& args, json_writer& out, account_release) {
  const auto slots = args.number<std::uint64_t>(), offset = args.number<std::uint64_t>();
  const auto warmup = args.boolean();
  out.begin_object();
  out.field("firstNormalEpoch", args.number<std::uint64_t>());
  out.field("firstNormalSlot", args.number<std::uint64_t>());
  out.field("leaderScheduleSlotOffset", offset);
  out.field("slotsPerEpoch", slots);
  out.field("warmup", warmup);
  out.end_object();
}

void fee_calculator(json_writer& out, std::uint64_t lamports) {
  out.key("feeCalculator");
  out.begin_object();
  digits(out, "lamportsPerSignature", lamports);
  out.end_object();
}

void fees(reader& args, json_writer& out, account_release) {
  out.begin_object();
  fee_calculator(out, args.number<std::uint64_t>());
  out.end_object();
}

void recent_blockhashes(reader& args, json_writer& out, account_release) {
  out.begin_array();
  for (auto n = args.count(40); n-- && args.ok();) {
    out.begin_object();
    out.field("blockhash", args.key<hash>());
    fee_calculator(out, args.number<std::uint64_t>());
    out.end_object();
  }
  out.end_array();
}

void rent(reader& args, json_writer& out, account_release release) {
  const auto lamports = args.number<std::uint64_t>();
  const auto threshold = args.number<double>();
  const auto burn = args.number<std::uint8_t>();
  out.begin_object();
  if (release == account_release::agave_3) {
    out.field("burnPercent", burn);
    out.field("exemptionThreshold", threshold);
    digits(out, "lamportsPerByteYear", lamports);
  } else {
    digits(out, "lamportsPerByte", lamports);
  }
  out.end_object();
}

void rewards(reader& args, json_writer& out, account_release) {
  out.begin_object();
  out.field("validatorPointValue", args.number<double>());
  out.end_object();
}

void slot_hashes(reader& args, json_writer& out, account_release) {
  out.begin_array();
  for (auto n = args.count(40); n-- && args.ok();) {
    const auto slot = args.number<std::uint64_t>();
    out.begin_object();
    out.field("hash", args.key<hash>());
    out.field("slot", slot);
    out.end_object();
  }
  out.end_array();
}

// A million bits, the lowest slot first, as text of 0 and 1.
void slot_history(reader& args, json_writer& out, account_release) {
  constexpr std::size_t bits = 1024 * 1024;
  if (!args.boolean()) return args.fail();
  const auto words = args.take(args.count(8) * 8);
  const auto length = args.number<std::uint64_t>();
  if (length < bits || words.size() * 8 < bits) return args.fail();
  std::string text(bits, '0');
  for (std::size_t i = 0; i < bits; ++i)
    if ((std::to_integer<unsigned>(words[i / 8]) >> (i % 8)) & 1U) text[i] = '1';
  out.begin_object();
  out.key("bits");
  out.plain(text);
  out.field("nextSlot", args.number<std::uint64_t>());
  out.end_object();
}

void stake_history(reader& args, json_writer& out, account_release) {
  out.begin_array();
  for (auto n = args.count(32); n-- && args.ok();) {
    out.begin_object();
    out.field("epoch", args.number<std::uint64_t>());
    out.key("stakeHistory");
    const auto effective = args.number<std::uint64_t>(), activating = args.number<std::uint64_t>();
    out.begin_object();
    out.field("activating", activating);
    out.field("deactivating", args.number<std::uint64_t>());
    out.field("effective", effective);
    out.end_object();
    out.end_object();
  }
  out.end_array();
}

void last_restart_slot(reader& args, json_writer& out, account_release) {
  out.begin_object();
  out.field("lastRestartSlot", args.number<std::uint64_t>());
  out.end_object();
}

std::string decimal(std::uint64_t low, std::uint64_t high) {
  __extension__ unsigned __int128 v = high;
  v = v << 64 | low;
  std::string text;
  do text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(v % 10)));
  while (v /= 10);
  return text;
}

void epoch_rewards(reader& args, json_writer& out, account_release) {
  const auto height = args.number<std::uint64_t>(), partitions = args.number<std::uint64_t>();
  const auto parent = args.key<hash>();
  const auto low = args.number<std::uint64_t>(), high = args.number<std::uint64_t>();
  const auto total = args.number<std::uint64_t>(), distributed = args.number<std::uint64_t>();
  out.begin_object();
  out.field("active", args.boolean());
  digits(out, "distributedRewards", distributed);
  out.field("distributionStartingBlockHeight", height);
  out.field("numPartitions", partitions);
  out.field("parentBlockhash", parent);
  out.key("totalPoints");
  out.plain(decimal(low, high));
  digits(out, "totalRewards", total);
  out.end_object();
}

struct sysvar_shape {
  const pubkey* address;
  std::string_view type;
  void (*write)(reader&, json_writer&, account_release);
};
constexpr sysvar_shape shapes[] = {
    {&programs::sysvar_clock, "clock", clock},
    {&programs::sysvar_epoch_schedule, "epochSchedule", epoch_schedule},
    {&programs::sysvar_fees, "fees", fees},
    {&programs::sysvar_recent_blockhashes, "recentBlockhashes", recent_blockhashes},
    {&programs::sysvar_rent, "rent", rent},
    {&programs::sysvar_rewards, "rewards", rewards},
    {&programs::sysvar_slot_hashes, "slotHashes", slot_hashes},
    {&programs::sysvar_slot_history, "slotHistory", slot_history},
    {&programs::sysvar_stake_history, "stakeHistory", stake_history},
    {&programs::sysvar_last_restart_slot, "lastRestartSlot", last_restart_slot},
    {&programs::sysvar_epoch_rewards, "epochRewards", epoch_rewards},
};

bool parse_sysvar(const account_args& in, json_writer& out) {
  for (const auto& s : shapes) {
    if (*s.address != in.address) continue;
    reader args(in.data);
    write_typed(out, s.type, [&] { s.write(args, out, in.context.release); });
    return args.ok();
  }
  return false;
}

}  // namespace

extern const account_parser sysvar_account;
const account_parser sysvar_account{&programs::sysvar, "sysvar", parse_sysvar};

}  // namespace osvm::solana
