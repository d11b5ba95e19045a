#include <osvm/ledger/block.hpp>
#include <osvm/ledger/error.hpp>
#include <osvm/solana/poh.hpp>

#include <algorithm>

namespace osvm::ledger {
namespace {

error bad_block(std::string what) {
  return {errc::corrupt, "block: " + std::move(what)};
}

struct joined {
  std::string bytes;
  std::vector<std::size_t> batch_ends;
  slot_t parent = 0;
};

result<joined> join(std::span<const bytes_view> shreds, bool genesis_layout) {
  joined out;
  out.bytes.reserve(shreds.size() * 1228);
  bool ended = false;
  for (std::size_t i = 0; i < shreds.size(); ++i) {
    OSVM_TRY(const auto s, parse_shred(shreds[i], genesis_layout));
    if (!s.data || s.index != i)
      return bad_block("shred " + std::to_string(i) + " is not the data shred of its place");
    if (ended) return bad_block("shreds behind the last one");
    if (i == 0) out.parent = s.slot - std::min<slot_t>(s.slot, s.parent_offset);
    out.bytes.append(reinterpret_cast<const char*>(s.payload.data()), s.payload.size());
    if (s.ends_batch()) out.batch_ends.push_back(out.bytes.size());
    ended = s.ends_slot();
  }
  if (!ended) return error(errc::incomplete, "the last shred does not end its slot");
  return out;
}

}  // namespace

bytes_view block::wire(std::size_t transaction) const noexcept {
  return bytes().subspan(offsets_[transaction], transactions_[transaction].size);
}

result<block> block::build(std::span<const bytes_view> shreds, block_limits limits) {
  if (shreds.size() > limits.max_shreds)
    return error(osvm::errc::limit_exceeded, "a block of too many shreds");
  // A genesis-era shred looks like a legacy one, but what is read as its size is the beginning of its data.
  for (const bool genesis : {false, true}) {
    auto j = join(shreds, genesis);
    result<> done = j ? result<>() : result<>(j.error());
    block out;
    if (j) {
      *out.bytes_ = std::move(j->bytes);
      out.shreds_ = shreds.size();
      out.parent_ = j->parent;
      out.genesis_ = genesis;
      done = out.decode(j->batch_ends, limits);
    }
    if (done) return out;
    const bool legacy = !shreds.empty() && shreds[0].size() > 64 && shreds[0][64] == std::byte{0xa5};
    if (genesis || !legacy || done.error().code != errc::corrupt) return done.error();
  }
  return bad_block("unreachable");
}

result<block> block::from_batch(std::string bytes, block_limits limits) {
  block out;
  *out.bytes_ = std::move(bytes);
  OSVM_CHECK(out.decode_batch(0, out.bytes_->size(), limits));
  return out;
}

result<> block::decode(std::span<const std::size_t> batch_ends, const block_limits& limits) {
  if (bytes_->size() > 0xffffffffULL) return error(osvm::errc::limit_exceeded, "a block past 4 GiB");
  std::size_t from = 0;
  for (const auto to : batch_ends) {
    OSVM_CHECK(decode_batch(from, to, limits));
    from = to;
  }
  return {};
}

result<> block::decode_batch(std::size_t from, std::size_t to, const block_limits& limits) {
  const auto batch = bytes().subspan(from, to - from);
  if (batch.size() < 8) return bad_block("a batch without a count");
  std::uint64_t count;
  std::memcpy(&count, batch.data(), 8);
  if (count == 0) return {};  // nothing, or a marker of later releases: neither holds entries
  if (count > batch.size() / 48) return bad_block("a batch that counts more entries than it holds");
  if (entries_.size() + count > limits.max_entries)
    return error(osvm::errc::limit_exceeded, "a block of too many entries");
  std::size_t at = 8;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (batch.size() - at < 48) return bad_block("an entry that ends too early");
    entry e;
    std::uint64_t transactions;
    std::memcpy(&e.num_hashes, batch.data() + at, 8);
    std::memcpy(e.hash.bytes.data(), batch.data() + at + 8, 32);
    std::memcpy(&transactions, batch.data() + at + 40, 8);
    at += 48;
    if (transactions > limits.max_transactions - transactions_.size())
      return error(osvm::errc::limit_exceeded, "a block of too many transactions");
    if (transactions > (batch.size() - at) / 64)
      return bad_block("an entry that counts more transactions than it holds");
    e.first_transaction = static_cast<std::uint32_t>(transactions_.size());
    e.transactions = static_cast<std::uint32_t>(transactions);
    for (std::uint64_t t = 0; t < transactions; ++t) {
      auto& tx = transactions_.emplace_back();
      offsets_.push_back(static_cast<std::uint32_t>(from + at));
      if (const auto done = solana::parse_transaction(batch.subspan(at), tx); !done)
        return bad_block("transaction " + std::to_string(transactions_.size() - 1) + ": " +
                         done.error().context);
      at += tx.size;
    }
    entries_.push_back(e);
  }
  return {};
}

namespace {

// The hash behind the last tick of an entry with transactions: what their signatures are mixed into.
solana::hash mix(const block& b, const entry& e, const solana::hash& at,
                 std::vector<solana::signature>& signatures) {
  signatures.clear();
  for (std::uint32_t t = 0; t < e.transactions; ++t) {
    const auto& tx = b.transactions()[e.first_transaction + t];
    signatures.insert(signatures.end(), tx.signatures.begin(), tx.signatures.end());
  }
  return solana::sha256({at.view(), solana::signatures_root(signatures).view()});
}

// Hashes between the entry before and this one, without the one that mixes in transactions.
std::uint64_t ticks_of(const entry& e) noexcept {
  return e.transactions && e.num_hashes ? e.num_hashes - 1 : e.num_hashes;
}

}  // namespace

std::size_t verify_poh(const block& b, const solana::hash& start, std::size_t from, std::size_t to) {
  constexpr std::size_t at_once = 64;
  std::vector<solana::signature> signatures;
  std::vector<solana::poh_chain> chains;
  const auto& entries = b.entries();
  to = std::min(to, entries.size());
  for (; from < to; from += chains.size()) {
    chains.clear();
    for (std::size_t i = from; i < std::min(to, from + at_once); ++i)
      chains.push_back({i == 0 ? start : entries[i - 1].hash, ticks_of(entries[i])});
    solana::poh_ticks(chains);
    for (std::size_t i = 0; i < chains.size(); ++i) {
      const auto& e = entries[from + i];
      const auto& at = chains[i].at;
      if ((e.transactions ? mix(b, e, at, signatures) : at) != e.hash) return from + i;
    }
  }
  return to;
}

std::vector<std::size_t> split_by_hashes(const block& b, std::size_t parts) {
  std::uint64_t total = 0, so_far = 0;
  for (const auto& e : b.entries()) total += e.num_hashes;
  std::vector<std::size_t> out{0};
  for (std::size_t i = 0; i < b.entries().size(); ++i) {
    if (out.size() < parts && so_far >= total / parts * out.size() && i > out.back()) out.push_back(i);
    so_far += b.entries()[i].num_hashes;
  }
  out.push_back(b.entries().size());
  return out;
}

}  // namespace osvm::ledger
