#include "wire.hpp"

#include <algorithm>

namespace osvm::ledger {
namespace {

constexpr std::uint8_t version_0 = 0x80;

error bad(const char* what) {
  return {osvm::errc::malformed, std::string("transaction: ") + what};
}

bool append_counted(std::string& out, std::string_view bytes) {
  if (bytes.size() > 0xffff) return false;
  solana::append_compact_u16(out, static_cast<std::uint16_t>(bytes.size()));
  out += bytes;
  return true;
}

template <class T>
bool append_count(std::string& out, const std::vector<T>& list) {
  if (list.size() > 0xffff) return false;
  solana::append_compact_u16(out, static_cast<std::uint16_t>(list.size()));
  return true;
}

bool append_fixed(std::string& out, const std::vector<std::string>& list, std::size_t size) {
  if (!append_count(out, list)) return false;
  for (const auto& v : list) {
    if (v.size() != size) return false;
    out += v;
  }
  return true;
}

std::string text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
std::string text(bytes_view bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

result<std::string> build_wire(const transaction_parts& p) {
  std::string out;
  if (!append_fixed(out, p.signatures, 64)) return bad("a signature that has not 64 bytes");
  if (p.versioned) out.push_back(static_cast<char>(version_0));
  if (!p.versioned && !p.lookups.empty()) return bad("a legacy message with lookups");
  for (const auto n : {p.required_signatures, p.readonly_signed, p.readonly_unsigned}) {
    if (n > 0xff) return bad("a header's count above 255");
    out.push_back(static_cast<char>(n));
  }
  if (!append_fixed(out, p.keys, 32)) return bad("a key that has not 32 bytes");
  if (p.blockhash.size() != 32) return bad("a blockhash that has not 32 bytes");
  out += p.blockhash;
  if (!append_count(out, p.instructions)) return bad("too many instructions");
  for (const auto& i : p.instructions) {
    if (i.program_index > 0xff) return bad("a program index above 255");
    out.push_back(static_cast<char>(i.program_index));
    if (!append_counted(out, i.accounts) || !append_counted(out, i.data)) return bad("a long instruction");
  }
  if (!p.versioned) return out;
  if (!append_count(out, p.lookups)) return bad("too many lookups");
  for (const auto& l : p.lookups) {
    if (l.table.size() != 32) return bad("a lookup table's address that has not 32 bytes");
    out += l.table;
    if (!append_counted(out, l.writable) || !append_counted(out, l.readonly)) return bad("a long lookup");
  }
  return out;
}

result<transaction_parts> take_apart(bytes_view wire) {
  solana::transaction_view tx;
  OSVM_CHECK(solana::parse_transaction(wire, tx));
  const auto& m = tx.message;
  if (m.version > solana::message_version::v0)
    return error(osvm::errc::unsupported, "a transaction of version 1: protobuf blocks have no form of it");
  transaction_parts out;
  for (const auto& s : tx.signatures) out.signatures.push_back(text(s.view()));
  out.versioned = m.version == solana::message_version::v0;
  out.required_signatures = m.header.required_signatures;
  out.readonly_signed = m.header.readonly_signed;
  out.readonly_unsigned = m.header.readonly_unsigned;
  for (const auto& k : m.keys) out.keys.push_back(text(k.view()));
  out.blockhash = text(m.blockhash->view());
  for (const auto& i : m.instructions)
    out.instructions.push_back({i.program_index, text(i.accounts), text(i.data)});
  for (const auto& l : m.lookups)
    out.lookups.push_back({text(l.table->view()), text(l.writable), text(l.readonly)});
  return out;
}

}  // namespace osvm::ledger
