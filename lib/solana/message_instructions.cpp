// What the system, compute budget and memo programs take; little-endian bincode and borsh.
#include <osvm/solana/message.hpp>
#include <osvm/solana/programs.hpp>

#include <algorithm>

namespace osvm::solana {
namespace {

// The system program's instruction numbers.
enum system_tag : std::uint32_t {
  tag_create = 0,
  tag_transfer = 2,
  tag_advance_nonce = 4,
  tag_withdraw_nonce = 5,
  tag_initialize_nonce = 6,
  tag_authorize_nonce = 7,
};

template <class T>
void put(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);  // plain little-endian values and keys
}

template <class... Fields>
std::string wire_fields(const Fields&... f) {
  std::string out;
  (put(out, f), ...);
  return out;
}

template <class... Fields>
std::string system_data(system_tag tag, const Fields&... f) {
  return wire_fields(static_cast<std::uint32_t>(tag), f...);
}

account_meta writable(const pubkey& k) {
  return {k, false, true};
}
account_meta readonly(const pubkey& k) {
  return {k, false, false};
}
account_meta signer(const pubkey& k) {
  return {k, true, false};
}
account_meta writable_signer(const pubkey& k) {
  return {k, true, true};
}

}  // namespace

namespace instructions {

instruction transfer(const pubkey& from, const pubkey& to, std::uint64_t lamports) {
  return {programs::system, {writable_signer(from), writable(to)}, system_data(tag_transfer, lamports)};
}

instruction create_account(const new_account& a) {
  return {programs::system,
          {writable_signer(a.from), writable_signer(a.address)},
          system_data(tag_create, a.lamports, a.space, a.owner)};
}

instruction advance_nonce(const pubkey& nonce, const pubkey& authority) {
  return {programs::system,
          {writable(nonce), readonly(programs::sysvar_recent_blockhashes), signer(authority)},
          system_data(tag_advance_nonce)};
}

instruction initialize_nonce(const pubkey& nonce, const pubkey& authority) {
  return {programs::system,
          {writable(nonce), readonly(programs::sysvar_recent_blockhashes), readonly(programs::sysvar_rent)},
          system_data(tag_initialize_nonce, authority)};
}

instruction authorize_nonce(const pubkey& nonce, const pubkey& authority, const pubkey& next_authority) {
  return {programs::system,
          {writable(nonce), signer(authority)},
          system_data(tag_authorize_nonce, next_authority)};
}

instruction withdraw_nonce(const nonce_withdrawal& w) {
  return {programs::system,
          {writable(w.nonce), writable(w.to), readonly(programs::sysvar_recent_blockhashes),
           readonly(programs::sysvar_rent), signer(w.authority)},
          system_data(tag_withdraw_nonce, w.lamports)};
}

instruction compute_unit_limit(std::uint32_t units) {
  return {programs::compute_budget, {}, wire_fields(std::uint8_t{2}, units)};
}

instruction compute_unit_price(std::uint64_t micro_lamports) {
  return {programs::compute_budget, {}, wire_fields(std::uint8_t{3}, micro_lamports)};
}

instruction memo(std::string_view text, std::span<const pubkey> signers) {
  instruction out{programs::memo_v3, {}, std::string(text)};
  for (const auto& s : signers) out.accounts.push_back(signer(s));
  return out;
}

}  // namespace instructions

result<nonce_state> read_nonce(bytes_view account_data) {
  if (account_data.size() != 80) return error(osvm::errc::malformed, "a nonce account has 80 bytes");
  byte_reader in(account_data);
  OSVM_TRY(const auto version, in.read<std::uint32_t>());
  OSVM_TRY(const auto state, in.read<std::uint32_t>());
  if (version > 1 || state > 1) return error(osvm::errc::malformed, "not a nonce account");
  if (state == 0) return error(osvm::errc::not_found, "the nonce account is not initialised");
  if (version == 0)
    return error(osvm::errc::unsupported, "a nonce account of the legacy version; upgrade it first");
  nonce_state out;
  OSVM_TRY(const auto authority, in.take(32));
  OSVM_TRY(out.authority, pubkey::read(authority));
  OSVM_TRY(const auto nonce, in.take(32));
  OSVM_TRY(out.nonce, hash::read(nonce));
  OSVM_TRY(out.lamports_per_signature, in.read<std::uint64_t>());
  return out;
}

message_plan with_nonce(message_plan plan, const pubkey& nonce_account, const nonce_state& state) {
  plan.instructions.insert(plan.instructions.begin(),
                           instructions::advance_nonce(nonce_account, state.authority));
  plan.blockhash = state.nonce;
  return plan;
}

bool uses_nonce(const message_view& m) noexcept {
  if (m.instructions.empty()) return false;
  const auto& ix = m.instructions.front();
  constexpr std::uint32_t advance = tag_advance_nonce;
  return ix.program_index < m.keys.size() && m.keys[ix.program_index] == programs::system &&
         ix.data.size() >= sizeof advance && std::memcmp(ix.data.data(), &advance, sizeof advance) == 0 &&
         !ix.accounts.empty() && ix.accounts[0] < m.keys.size() && m.is_writable_by_header(ix.accounts[0]);
}

}  // namespace osvm::solana
