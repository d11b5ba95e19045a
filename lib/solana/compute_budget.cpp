// Authority: anza-xyz/agave `compute-budget-instruction/`, `builtins-default-costs/`, `fee/`.
#include <osvm/solana/compute_budget.hpp>
#include <osvm/solana/programs.hpp>

#include <algorithm>

#include "argument_reader.hpp"

namespace osvm::solana {
namespace {

constexpr std::uint32_t most_units = 1'400'000, units_of_builtin = 3'000, units_of_other = 200'000;
constexpr std::uint32_t least_heap = 32 << 10, most_heap = 256 << 10;

std::uint64_t fit(unsigned __int128 v) {
  return static_cast<std::uint64_t>(std::min<unsigned __int128>(v, ~std::uint64_t{0}));
}

struct requests {
  std::optional<std::uint32_t> heap{}, units{}, loaded{};
  std::optional<std::uint64_t> price{};
};

template <class T>
bool set_once(std::optional<T>& to, argument_reader& in) {
  if (to) return false;
  to = in.number<T>();
  return in.ok();
}

bool read_request(bytes_view data, requests& out) {
  argument_reader in(data);
  switch (in.number<std::uint8_t>()) {
    case 1: return set_once(out.heap, in);
    case 2: return set_once(out.units, in);
    case 3: return set_once(out.price, in);
    case 4: return set_once(out.loaded, in);
    default: return false;
  }
}

bool is_builtin(const pubkey& program, const feature_test& active) {
  static constexpr pubkey stake_moved =
      programs::detail::address("6M4oQ6eXneVhtLoiAr4yRYQY43eVLjrKbiDZDJc892yk");
  static constexpr pubkey builtins[] = {programs::vote,
                                        programs::system,
                                        programs::compute_budget,
                                        programs::bpf_loader_upgradeable,
                                        programs::bpf_loader,
                                        programs::loader_v4,
                                        programs::secp256k1_program,
                                        programs::ed25519_program,
                                        programs::bpf_loader_deprecated};
  if (program == programs::stake) return active && !active(stake_moved);
  return std::ranges::find(builtins, program) != std::end(builtins);
}

const pubkey* program_of(const message_view& m, const instruction_view& ix) {
  return ix.program_index < m.keys.size() ? &m.keys[ix.program_index] : nullptr;
}

std::uint32_t default_units(const message_view& m, const feature_test& active) {
  std::uint64_t out = 0;
  for (const auto& ix : m.instructions) {
    const auto* program = program_of(m, ix);
    out += program && is_builtin(*program, active) ? units_of_builtin : units_of_other;
  }
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(out, most_units));
}

bool is_possible(const requests& r) {
  if (r.heap && (*r.heap < least_heap || *r.heap > most_heap || *r.heap % 1024)) return false;
  return !r.loaded || *r.loaded > 0;
}

// A version 1 message bids the whole fee, and gets no units that it does not ask for.
compute_budget budget_of_v1(const message_config& config) {
  compute_budget out;
  out.units = std::min(config.compute_unit_limit.value_or(0), most_units);
  out.fee = config.priority_fee.value_or(0);
  if (out.units) out.price = fit(static_cast<unsigned __int128>(out.fee) * 1'000'000 / out.units);
  return out;
}

}  // namespace

std::optional<compute_budget> read_compute_budget(const message_view& m, const feature_test& active) {
  if (m.version == message_version::v1) return budget_of_v1(m.config);
  requests asked;
  for (const auto& ix : m.instructions) {
    const auto* program = program_of(m, ix);
    if (program && *program == programs::compute_budget && !read_request(ix.data, asked)) return std::nullopt;
  }
  if (!is_possible(asked)) return std::nullopt;
  compute_budget out;
  out.units = std::min(asked.units ? *asked.units : default_units(m, active), most_units);
  out.price = asked.price.value_or(0);
  const auto micro = static_cast<unsigned __int128>(out.price) * out.units + 999'999;
  out.fee = fit(micro / 1'000'000);
  return out;
}

std::uint64_t paid_signatures(const message_view& m) noexcept {
  std::uint64_t out = m.header.required_signatures;
  for (const auto& ix : m.instructions) {
    const auto* program = program_of(m, ix);
    if (program && !ix.data.empty() &&
        (*program == programs::ed25519_program || *program == programs::secp256k1_program ||
         *program == programs::secp256r1_program))
      out += std::to_integer<std::uint64_t>(ix.data[0]);
  }
  return out;
}

}  // namespace osvm::solana
