// The bank as validators serialise it: bincode, in the order of the fields of `DeserializableVersionedBank`,
// then where the accounts lie. What no one asks for is stepped over.
#include <osvm/ledger/error.hpp>
#include <osvm/ledger/snapshot.hpp>

#include "solana/argument_reader.hpp"

namespace osvm::ledger {
namespace {

using reader = solana::argument_reader;

void read_blockhash_queue(reader& in, bank_fields& b) {
  in.number<std::uint64_t>();  // last index
  b.last_blockhash = in.option<solana::hash>();
  in.take(in.count(56) * 56);
  in.number<std::uint64_t>();  // max age
}

void read_hard_forks(reader& in, bank_fields& b) {
  for (auto n = in.count(16); n-- && in.ok();) {
    const auto slot = in.number<std::uint64_t>();
    b.hard_forks.emplace_back(slot, in.number<std::uint64_t>());
  }
}

epoch_schedule read_schedule(reader& in) {
  epoch_schedule s;
  s.slots_per_epoch = in.number<std::uint64_t>();
  s.leader_schedule_slot_offset = in.number<std::uint64_t>();
  s.warmup = in.boolean();
  s.first_normal_epoch = in.number<std::uint64_t>();
  s.first_normal_slot = in.number<std::uint64_t>();
  return s;
}

staked_vote_account read_vote_account(reader& in) {
  staked_vote_account v;
  v.address = in.key();
  v.stake = in.number<std::uint64_t>();
  v.lamports = in.number<std::uint64_t>();
  const auto data = in.take(in.count(1));
  v.data.assign(reinterpret_cast<const char*>(data.data()), data.size());
  in.key();  // owner
  in.boolean();
  in.number<std::uint64_t>();  // rent epoch
  return v;
}

using stakes_by_epoch = std::map<std::uint64_t, std::vector<vote_stake>>;

// All versions of a vote account's state begin with a tag and the validator that votes.
vote_stake stake_of(const staked_vote_account& v) {
  constexpr std::size_t node_at = 4;
  vote_stake out{v.address, {}, v.stake};
  if (v.data.size() >= node_at + 32) std::memcpy(out.node.bytes.data(), v.data.data() + node_at, 32);
  return out;
}

std::vector<vote_stake> read_epoch_votes(reader& in) {
  std::vector<vote_stake> out;
  for (auto n = in.count(97); n-- && in.ok();) out.push_back(stake_of(read_vote_account(in)));
  return out;
}

// The stakes, with delegations alone: what each stake account holds else lies in the account.
void read_delegations(reader& in, std::uint64_t* delegations) {
  const auto n = in.count(32 + 64);
  if (delegations) *delegations = n;
  in.take(n * (32 + 64));
  in.number<std::uint64_t>();  // unused
  in.number<std::uint64_t>();  // epoch
  in.take(in.count(32) * 32);  // history
}

void skip_stake_totals(reader& in) {
  in.number<std::uint64_t>();  // total
  for (auto nodes = in.count(48); nodes-- && in.ok();) {
    in.key();
    in.take(in.count(32) * 32);
    in.number<std::uint64_t>();
  }
  in.take(in.count(64) * 64);  // authorized voters
}

void read_stakes(reader& in, bank_fields& b) {
  for (auto n = in.count(97); n-- && in.ok();) b.vote_accounts.push_back(read_vote_account(in));
  read_delegations(in, &b.delegations);
}

void read_epoch_stakes(reader& in, stakes_by_epoch& out) {
  for (auto n = in.count(8); n-- && in.ok();) {
    const auto epoch = in.number<std::uint64_t>();
    out[epoch] = read_epoch_votes(in);
    read_delegations(in, nullptr);
    skip_stake_totals(in);
  }
}

void read_heights(reader& in, bank_fields& b) {
  b.transaction_count = in.number<std::uint64_t>();
  b.tick_height = in.number<std::uint64_t>();
  b.signature_count = in.number<std::uint64_t>();
  b.capitalization = in.number<std::uint64_t>();
  b.max_tick_height = in.number<std::uint64_t>();
  b.hashes_per_tick = in.option<std::uint64_t>();
  b.ticks_per_slot = in.number<std::uint64_t>();
  in.take(16);  // nanoseconds per slot
  b.genesis_creation_time = in.number<std::int64_t>();
  b.slots_per_year = in.number<double>();
  b.accounts_data_size = in.number<std::uint64_t>();
  b.slot = in.number<std::uint64_t>();
  in.number<std::uint64_t>();  // epoch
  b.block_height = in.number<std::uint64_t>();
  b.leader = in.key();
}

void read_economy(reader& in, bank_fields& b) {
  in.take(8 + 8);              // collected fees, fee calculator
  in.take(33);                 // fee rate governor
  in.take(8);                  // collected rent
  in.number<std::uint64_t>();  // the rent collector's epoch
  b.schedule = read_schedule(in);
  in.number<double>();  // its slots per year
  b.rent.lamports_per_byte_year = in.number<std::uint64_t>();
  b.rent.exemption_threshold = in.number<double>();
  b.rent.burn_percent = in.number<std::uint8_t>();
  b.schedule = read_schedule(in);
  b.inflation.initial = in.number<double>();
  b.inflation.terminal = in.number<double>();
  b.inflation.taper = in.number<double>();
  b.inflation.foundation = in.number<double>();
  b.inflation.foundation_term = in.number<double>();
  in.number<double>();  // unused
}

bank_fields read_bank(reader& in) {
  bank_fields b;
  read_blockhash_queue(in, b);
  in.take(in.count(16) * 16);  // ancestors
  b.hash = in.key<solana::hash>();
  b.parent_hash = in.key<solana::hash>();
  b.parent_slot = in.number<std::uint64_t>();
  read_hard_forks(in, b);
  read_heights(in, b);
  read_economy(in, b);
  read_stakes(in, b);
  in.take(in.count(32) * 32);  // three tables of accounts that are not used any more
  in.take(in.count(32) * 32);
  in.take(in.count(40) * 40);
  read_epoch_stakes(in, b.epoch_stakes);
  b.is_delta = in.boolean();
  return b;
}

stakes_by_epoch read_versioned_stakes(reader& in) {
  stakes_by_epoch out;
  for (auto n = in.count(12); n-- && in.ok();) {
    const auto epoch = in.number<std::uint64_t>();
    if (in.number<std::uint32_t>() != 0) return in.fail(), stakes_by_epoch{};  // the only version there is
    out[epoch] = read_epoch_votes(in);
    in.take(in.count(32 + 72) * (32 + 72));  // delegations, with the credits that they have seen
    in.take(16);                             // unused, epoch
    in.take(in.count(32) * 32);              // history
    skip_stake_totals(in);
  }
  return in.ok() ? std::move(out) : stakes_by_epoch{};
}

// What releases added behind the accounts' places, each piece absent in older ones. Nothing when the hash is
// not there, or lies behind what this reader does not know.
std::optional<std::array<std::uint16_t, 1024>> read_tail(reader& in, stakes_by_epoch& stakes) {
  in.take(32 + 32 + 5 * 8);                        // hashes and counts of the bank
  in.take(in.count(8) * 8);                        // roots
  in.take(in.count(40) * 40);                      // roots with hashes
  in.number<std::uint64_t>();                      // lamports per signature
  if (in.boolean()) in.take(8 + 32 + 8 + 32 + 8);  // what an incremental snapshot stands on
  in.option<solana::hash>();                       // of accounts, once an epoch
  stakes.merge(read_versioned_stakes(in));
  if (!in.boolean()) return std::nullopt;
  std::array<std::uint16_t, 1024> sums{};
  const auto bytes = in.take(sizeof sums);
  if (!in.ok()) return std::nullopt;
  std::memcpy(sums.data(), bytes.data(), sizeof sums);
  return sums;
}

}  // namespace

result<snapshot_manifest> parse_manifest(bytes_view file) {
  reader in(file);
  snapshot_manifest out;
  out.bank = read_bank(in);
  for (auto slots = in.count(16); slots-- && in.ok();) {
    const auto slot = in.number<std::uint64_t>();
    for (auto n = in.count(16); n-- && in.ok();) {
      const auto id = in.number<std::uint64_t>();
      out.storages[{slot, id}] = in.number<std::uint64_t>();
    }
  }
  in.number<std::uint64_t>();  // write version
  const auto slot = in.number<std::uint64_t>();
  if (!in.ok()) return error(errc::corrupt, "snapshot: the manifest does not parse");
  out.accounts_hash = read_tail(in, out.bank.epoch_stakes);
  out.bank.epoch = out.bank.schedule.locate(out.bank.slot).epoch;  // releases since 4.2 store 0
  if (slot != out.bank.slot)
    return error(errc::corrupt, "snapshot: the manifest's two parts are of different slots");
  return out;
}

}  // namespace osvm::ledger
