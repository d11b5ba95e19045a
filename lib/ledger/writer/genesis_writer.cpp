#include <osvm/ledger/genesis_writer.hpp>
#include <osvm/solana/poh.hpp>

namespace osvm::ledger {
namespace {

class bincode {
 public:
  template <class T>
  bincode& add(T v) {
    out.append(reinterpret_cast<const char*>(&v), sizeof v);
    return *this;
  }
  bincode& option(const std::optional<std::uint64_t>& v) {
    add(std::uint8_t{v.has_value()});
    return v ? add(*v) : *this;
  }
  std::string out;
};

constexpr std::uint64_t slot_nanoseconds = 400'000'000;
constexpr std::uint32_t development_cluster = 3;

}  // namespace

// The values that are not options are those of every public cluster.
std::string encode_genesis(const genesis_options& o) {
  bincode b;
  constexpr std::uint64_t none = 0;
  b.add(o.creation_time).add(none).add(none).add(none);  // accounts, processors, reward pools
  b.add(o.ticks_per_slot).add(none);
  const auto tick = slot_nanoseconds / std::max<std::uint64_t>(1, o.ticks_per_slot);
  b.add(tick / 1'000'000'000).add(static_cast<std::uint32_t>(tick % 1'000'000'000));
  b.option({}).option(o.hashes_per_tick);
  b.add(none);
  b.add(std::uint64_t{10000}).add(std::uint64_t{20000}).add(std::uint64_t{5000});  // fees
  b.add(std::uint64_t{100000}).add(std::uint8_t{50});
  b.add(std::uint64_t{3480}).add(2.0).add(std::uint8_t{50});  // rent
  b.add(0.08).add(0.015).add(0.15).add(0.05).add(7.0).add(0.0);
  b.add(o.slots_per_epoch).add(o.slots_per_epoch).add(std::uint8_t{0}).add(none).add(none);
  b.add(development_cluster);
  return b.out;
}

recorded_block genesis_block(const genesis& g) {
  recorded_block out;
  out.time = g.creation_time;
  out.height = 0;
  const auto hashes = g.hashes_per_tick.value_or(1);
  solana::hash at = g.hash;
  for (std::uint64_t i = 0; i < g.ticks_per_slot; ++i) {
    at = solana::poh_ticks(at, hashes);
    out.entries.push_back({hashes, at, 0});
  }
  out.blockhash = at;
  return out;
}

}  // namespace osvm::ledger
