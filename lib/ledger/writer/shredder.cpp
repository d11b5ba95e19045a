#include "shredder.hpp"

#include <osvm/ledger/error.hpp>
#include <osvm/solana/hashing.hpp>

#include <algorithm>
#include <bit>

namespace osvm::ledger {
namespace {

constexpr std::size_t shred_size = 1203, header_size = 88, root_size = 32, proof_entry = 20;
constexpr std::size_t signature_size = 64, set_size = 32, batch_size = 30 << 10, max_shreds = 32768;
constexpr std::uint8_t chained_data = 0x90, ends_batch = 0x40, ends_slot = 0xc0;

template <class T>
void store(std::string& to, std::size_t at, T v) {
  std::memcpy(to.data() + at, &v, sizeof v);
}
template <class T>
void append(std::string& to, T v) {
  to.append(reinterpret_cast<const char*>(&v), sizeof v);
}

std::size_t proof_length(std::size_t shreds) {
  return static_cast<std::size_t>(std::bit_width(shreds - 1));
}
std::size_t capacity(std::size_t shreds) {
  return shred_size - header_size - root_size - proof_length(shreds) * proof_entry;
}

solana::hash leaf(bytes_view bytes) {
  static constexpr std::string_view prefix("\x00SOLANA_MERKLE_SHREDS_LEAF", 26);
  return solana::sha256({as_bytes(prefix), bytes});
}
solana::hash node(const solana::hash& left, const solana::hash& right) {
  static constexpr std::string_view prefix("\x01SOLANA_MERKLE_SHREDS_NODE", 26);
  return solana::sha256({as_bytes(prefix), left.view().first(proof_entry), right.view().first(proof_entry)});
}

class set_builder {
 public:
  set_builder(const recorded_block& b, std::uint16_t version, shredded_block& out)
      : block_(b), version_(version), out_(out) {}

  // One erasure set out of the front of `batch`.
  void take(std::string_view& batch, bool last_batch) {
    std::size_t n = 1;
    while (n < set_size && n * capacity(n) < batch.size()) ++n;
    const auto room = capacity(n);
    const auto base = static_cast<std::uint32_t>(out_.shreds.size());
    for (std::size_t i = 0; i < n; ++i) {
      const auto part = batch.substr(0, std::min(room, batch.size()));
      batch.remove_prefix(part.size());
      const bool ends = batch.empty() && i + 1 == n;
      out_.shreds.push_back(header(base + i, base, n, part.size(), ends ? last_batch ? 2 : 1 : 0));
      auto& s = out_.shreds.back();
      std::memcpy(s.data() + header_size, part.data(), part.size());
      std::memcpy(s.data() + header_size + room, out_.last_root.data(), root_size);
      if (ends) out_.batch_ends.push_back(static_cast<std::uint32_t>(base + i));
    }
    prove(base, n, header_size + room + root_size);
  }

 private:
  std::string header(std::size_t index, std::uint32_t set, std::size_t shreds, std::size_t size, int ends) {
    std::string s(shred_size, '\0');
    s[64] = static_cast<char>(chained_data | proof_length(shreds));
    store(s, 65, block_.slot);
    store(s, 73, static_cast<std::uint32_t>(index));
    store(s, 77, version_);
    store(s, 79, set);
    store(s, 83, static_cast<std::uint16_t>(block_.slot - block_.parent));
    s[85] = static_cast<char>(ends == 2 ? ends_slot : ends == 1 ? ends_batch : 0);
    store(s, 86, static_cast<std::uint16_t>(header_size + size));
    return s;
  }
  // The tree over the set's shreds; an odd node is paired with itself. Each shred gets its proof.
  void prove(std::size_t base, std::size_t n, std::size_t proof_at) {
    std::vector<std::vector<solana::hash>> tree(1);
    for (std::size_t i = 0; i < n; ++i)
      tree[0].push_back(
          leaf(as_bytes(out_.shreds[base + i]).subspan(signature_size, proof_at - signature_size)));
    while (tree.back().size() > 1) {
      const auto& below = tree.back();
      std::vector<solana::hash> level;
      for (std::size_t i = 0; i < below.size(); i += 2)
        level.push_back(node(below[i], below[std::min(i + 1, below.size() - 1)]));
      tree.push_back(std::move(level));
    }
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t depth = 0, at = i; depth + 1 < tree.size(); ++depth, at /= 2) {
        const auto& sibling = tree[depth][std::min(at ^ 1, tree[depth].size() - 1)];
        std::memcpy(out_.shreds[base + i].data() + proof_at + depth * proof_entry, sibling.data(),
                    proof_entry);
      }
    out_.last_root = tree.back()[0];
  }

  const recorded_block& block_;
  std::uint16_t version_;
  shredded_block& out_;
};

// Entries as batches of about a set's size.
std::vector<std::string> make_batches(const recorded_block& b) {
  std::vector<std::string> out;
  std::uint64_t count = 0;
  std::string batch(8, '\0');
  auto close = [&] {
    store(batch, 0, count);
    out.push_back(std::exchange(batch, std::string(8, '\0')));
    count = 0;
  };
  std::size_t next = 0;
  for (const auto& e : b.entries) {
    append(batch, e.num_hashes);
    batch.append(reinterpret_cast<const char*>(e.hash.data()), 32);
    append(batch, std::uint64_t{e.transactions});
    for (std::uint32_t i = 0; i < e.transactions; ++i) batch += b.transactions[next++].wire;
    ++count;
    if (batch.size() >= batch_size) close();
  }
  if (count || out.empty()) close();
  return out;
}

}  // namespace

result<shredded_block> shred_block(const recorded_block& b, std::uint16_t version,
                                   const solana::hash& chained) {
  const std::string name = "slot " + std::to_string(b.slot);
  if (b.parent > b.slot || (b.parent == b.slot && b.slot != 0))
    return error(osvm::errc::malformed, name + ": a parent that is not before it");
  if (b.slot - b.parent > 0xffff)
    return error(osvm::errc::malformed, name + ": a parent more than 65,535 slots back");
  std::uint64_t counted = 0;
  for (const auto& e : b.entries) counted += e.transactions;
  if (counted != b.transactions.size())
    return error(osvm::errc::malformed, name + ": entries that count other transactions than it has");
  shredded_block out;
  out.last_root = chained;
  set_builder sets(b, version, out);
  const auto batches = make_batches(b);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    std::string_view rest = batches[i];
    while (!rest.empty()) sets.take(rest, i + 1 == batches.size());
    if (out.shreds.size() > max_shreds)
      return error(osvm::errc::limit_exceeded, name + ": more than 32,768 shreds");
  }
  return out;
}

}  // namespace osvm::ledger
