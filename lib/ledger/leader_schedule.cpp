#include <osvm/ledger/leader_schedule.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <map>

namespace osvm::ledger {
namespace {

// ChaCha with 20 rounds, a 64-bit block counter and no nonce, as rand_chacha's ChaChaRng is: eight words of
// 64 bits from each block, in order.
class chacha_words {
 public:
  explicit chacha_words(std::uint64_t seed) noexcept {
    input_ = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    input_[4] = static_cast<std::uint32_t>(seed);
    input_[5] = static_cast<std::uint32_t>(seed >> 32);
  }
  std::uint64_t next() noexcept {
    if (used_ == block_.size()) refill();
    const std::uint64_t low = block_[used_], high = block_[used_ + 1];
    used_ += 2;
    return low | high << 32;
  }

 private:
  static void quarter(std::uint32_t& a, std::uint32_t& b, std::uint32_t& c, std::uint32_t& d) noexcept {
    a += b, d = std::rotl(d ^ a, 16);
    c += d, b = std::rotl(b ^ c, 12);
    a += b, d = std::rotl(d ^ a, 8);
    c += d, b = std::rotl(b ^ c, 7);
  }
  void refill() noexcept {
    auto& x = block_;
    x = input_;
    for (int round = 0; round < 10; ++round) {
      for (std::size_t i = 0; i < 4; ++i) quarter(x[i], x[4 + i], x[8 + i], x[12 + i]);
      for (std::size_t i = 0; i < 4; ++i)
        quarter(x[i], x[4 + (i + 1) % 4], x[8 + (i + 2) % 4], x[12 + (i + 3) % 4]);
    }
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += input_[i];
    if (++input_[12] == 0) ++input_[13];
    used_ = 0;
  }
  std::array<std::uint32_t, 16> input_{}, block_{};
  std::size_t used_ = 16;
};

// Numbers below `end`, each as likely: what would favour some is drawn again, by the rule of rand 0.8.
class below {
 public:
  explicit below(std::uint64_t end) noexcept : end_(end), zone_(~0ULL - (~0ULL - end + 1) % end) {}
  std::uint64_t draw(chacha_words& words) const noexcept {
    while (true) {
      const auto product = static_cast<unsigned __int128>(words.next()) * end_;
      if (static_cast<std::uint64_t>(product) <= zone_) return static_cast<std::uint64_t>(product >> 64);
    }
  }

 private:
  std::uint64_t end_, zone_;
};

std::vector<vote_stake> with_stake(std::span<const vote_stake> stakes) {
  std::vector<vote_stake> out;
  for (const auto& s : stakes)
    if (s.stake) out.push_back(s);
  return out;
}

result<std::vector<vote_stake>> by_validator(std::span<const vote_stake> stakes) {
  std::map<solana::pubkey, std::uint64_t> sums;
  for (const auto& s : stakes)
    if (s.stake && __builtin_add_overflow(sums[s.node], s.stake, &sums[s.node]))
      return error(osvm::errc::invalid_argument, "stakes overflow");
  std::vector<vote_stake> out;
  for (const auto& [node, stake] : sums) out.push_back({node, node, stake});
  return out;
}

// Where each one's share of the stakes ends.
result<std::vector<std::uint64_t>> sums_of(std::span<const vote_stake> leaders) {
  std::vector<std::uint64_t> out;
  out.reserve(leaders.size());
  std::uint64_t sum = 0;
  for (const auto& l : leaders) {
    if (__builtin_add_overflow(sum, l.stake, &sum))
      return error(osvm::errc::invalid_argument, "stakes overflow");
    out.push_back(sum);
  }
  if (sum == 0) return error(osvm::errc::invalid_argument, "nobody has a stake");
  return out;
}

}  // namespace

result<leader_schedule> leader_schedule::make(std::span<const vote_stake> stakes, std::uint64_t epoch,
                                              schedule_options options) {
  if (options.slots > options.most_slots || options.consecutive == 0)
    return error(osvm::errc::limit_exceeded, "an epoch of " + std::to_string(options.slots) + " slots");
  leader_schedule out;
  out.slots_ = options.slots;
  out.consecutive_ = options.consecutive;
  if (options.by == lots::validators) {
    OSVM_TRY(out.leaders_, by_validator(stakes));
  } else {
    out.leaders_ = with_stake(stakes);
  }
  std::ranges::sort(out.leaders_, std::greater<>{},
                    [](const vote_stake& s) { return std::pair(s.stake, s.vote); });
  const auto twice = [](const vote_stake& a, const vote_stake& b) {
    return a.stake == b.stake && a.vote == b.vote;
  };
  out.leaders_.erase(std::unique(out.leaders_.begin(), out.leaders_.end(), twice), out.leaders_.end());
  OSVM_TRY(const auto sums, sums_of(out.leaders_));
  chacha_words words(epoch);
  const below range(sums.back());
  const auto draws = options.slots / options.consecutive + (options.slots % options.consecutive != 0);
  out.drawn_.reserve(draws);
  for (std::uint64_t i = 0; i < draws; ++i) {
    const auto chosen = std::ranges::upper_bound(sums, range.draw(words));
    out.drawn_.push_back(static_cast<std::uint32_t>(chosen - sums.begin()));
  }
  return out;
}

}  // namespace osvm::ledger
