#include <osvm/core/blake3.hpp>
#include <osvm/ledger/lt_hash.hpp>

namespace osvm::ledger {
namespace {

using numbers = std::array<std::uint16_t, 1024>;

numbers hash_account(const stored_record& a) noexcept {
  const auto executable = static_cast<std::uint8_t>(a.executable);
  blake3 h;
  h.update(std::as_bytes(std::span(&a.lamports, 1))).update(a.data);
  h.update(std::as_bytes(std::span(&executable, 1))).update(a.owner.view()).update(a.address.view());
  numbers out;
  h.finish(std::as_writable_bytes(std::span(out)));
  return out;
}

}  // namespace

void lt_hash::add(const stored_record& account) noexcept {
  if (account.lamports == 0) return;
  const auto n = hash_account(account);
  for (std::size_t i = 0; i < n.size(); ++i) sums[i] = static_cast<std::uint16_t>(sums[i] + n[i]);
}

void lt_hash::subtract(const stored_record& account) noexcept {
  if (account.lamports == 0) return;
  const auto n = hash_account(account);
  for (std::size_t i = 0; i < n.size(); ++i) sums[i] = static_cast<std::uint16_t>(sums[i] - n[i]);
}

void lt_hash::add(const lt_hash& other) noexcept {
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = static_cast<std::uint16_t>(sums[i] + other.sums[i]);
}

solana::hash lt_hash::checksum() const noexcept {
  const auto h = blake3_hash(std::as_bytes(std::span(sums)));
  solana::hash out;
  std::memcpy(out.bytes.data(), h.data(), h.size());
  return out;
}

}  // namespace osvm::ledger
