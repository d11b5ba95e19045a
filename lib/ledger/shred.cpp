#include <osvm/ledger/error.hpp>
#include <osvm/ledger/shred.hpp>
#include <osvm/solana/hashing.hpp>

#include <algorithm>

namespace osvm::ledger {
namespace {

constexpr std::size_t common_header = 83, data_header = 88, code_header = 89, genesis_data_header = 86;
constexpr std::size_t genesis_payload = 1057, packet = 1228, merkle_data_size = 1203;
constexpr std::size_t proof_entry = 20, root_size = 32, signature_size = 64;

error bad_shred(std::string what) {
  return {errc::corrupt, "shred: " + std::move(what)};
}

bool read_variant(std::uint8_t v, shred_view& out) {
  const std::uint8_t high = v & 0xf0;
  out.proof_size = v & 0x0f;
  if (v == 0xa5 || v == 0x5a) {
    out.kind = shred_kind::legacy;
    out.data = v == 0xa5;
    out.proof_size = 0;
    return true;
  }
  out.data = high == 0x80 || high == 0x90 || high == 0xb0;
  if (high == 0x80 || high == 0x40) return out.kind = shred_kind::merkle, true;
  if (high == 0x90 || high == 0x60) return out.kind = shred_kind::merkle_chained, true;
  if (high == 0xb0 || high == 0x70) return out.kind = shred_kind::merkle_chained_resigned, true;
  return false;
}

result<> read_data(bytes_view bytes, bool genesis_layout, shred_view& out) {
  OSVM_TRY(out.parent_offset, read_at<std::uint16_t>(bytes, common_header));
  OSVM_TRY(out.flags, read_at<std::uint8_t>(bytes, common_header + 2));
  if (out.kind == shred_kind::legacy && genesis_layout) {
    out.kind = shred_kind::genesis;
    if (bytes.size() < genesis_data_header) return bad_shred("too short");
    out.payload =
        bytes.subspan(genesis_data_header, std::min(genesis_payload, bytes.size() - genesis_data_header));
    return {};
  }
  OSVM_TRY(const auto size, read_at<std::uint16_t>(bytes, common_header + 3));
  if (size < data_header || size > bytes.size() || size > packet)
    return bad_shred("a size field that does not fit");
  out.payload = bytes.subspan(data_header, size - data_header);
  return {};
}

std::size_t tail_size(const shred_view& s) {
  return (s.kind >= shred_kind::merkle_chained ? root_size : 0) + s.proof_size * proof_entry +
         (s.kind == shred_kind::merkle_chained_resigned ? signature_size : 0);
}

solana::hash node(bytes_view left, bytes_view right) {
  static constexpr std::string_view prefix("\x01SOLANA_MERKLE_SHREDS_NODE", 26);
  return solana::sha256({as_bytes(prefix), left.first(proof_entry), right.first(proof_entry)});
}

}  // namespace

std::string_view to_string(shred_kind kind) noexcept {
  static constexpr std::string_view names[] = {"legacy", "genesis", "merkle", "merkle-chained",
                                               "merkle-chained-resigned"};
  return names[static_cast<std::size_t>(kind)];
}

result<shred_view> parse_shred(bytes_view bytes, bool genesis_layout) {
  shred_view out;
  if (bytes.size() < data_header - 2 || bytes.size() > packet + 64) return bad_shred("an impossible length");
  if (!read_variant(std::to_integer<std::uint8_t>(bytes[64]), out)) return bad_shred("an unknown variant");
  out.leader_signature = solana::view_as<solana::signature>(bytes.first(64)).data();
  OSVM_TRY(out.slot, read_at<std::uint64_t>(bytes, 65));
  OSVM_TRY(out.index, read_at<std::uint32_t>(bytes, 73));
  OSVM_TRY(out.version, read_at<std::uint16_t>(bytes, 77));
  OSVM_TRY(out.fec_set_index, read_at<std::uint32_t>(bytes, 79));
  if (out.data) {
    OSVM_CHECK(read_data(bytes, genesis_layout, out));
  } else {
    if (bytes.size() < code_header) return bad_shred("too short");
    OSVM_TRY(out.num_data, read_at<std::uint16_t>(bytes, common_header));
    OSVM_TRY(out.num_code, read_at<std::uint16_t>(bytes, common_header + 2));
    OSVM_TRY(out.position, read_at<std::uint16_t>(bytes, common_header + 4));
  }
  return out;
}

result<solana::hash> merkle_root(bytes_view bytes) {
  OSVM_TRY(const auto s, parse_shred(bytes));
  if (s.kind < shred_kind::merkle)
    return error(errc::unsupported_format, "a legacy shred has no Merkle root");
  const std::size_t total = s.data ? merkle_data_size : packet;
  if (bytes.size() < total || tail_size(s) + data_header > total) return bad_shred("too short for its proof");
  const std::size_t behind_proof = s.kind == shred_kind::merkle_chained_resigned ? signature_size : 0;
  const std::size_t proof_at = total - behind_proof - s.proof_size * proof_entry;
  // The chained root is part of the leaf; proof and retransmitter's signature are not.
  static constexpr std::string_view leaf("\x00SOLANA_MERKLE_SHREDS_LEAF", 26);
  solana::hash at = solana::sha256({as_bytes(leaf), bytes.subspan(64, proof_at - 64)});
  std::uint64_t position = s.data ? s.index - s.fec_set_index : std::uint64_t{s.num_data} + s.position;
  if (s.data && s.index < s.fec_set_index) return bad_shred("an index before its set");
  for (std::size_t i = 0; i < s.proof_size; ++i, position >>= 1) {
    const auto sibling = bytes.subspan(proof_at + i * proof_entry, proof_entry);
    at = position & 1 ? node(sibling, at.view()) : node(at.view(), sibling);
  }
  if (position != 0) return bad_shred("a proof too short for its set");
  return at;
}

}  // namespace osvm::ledger
