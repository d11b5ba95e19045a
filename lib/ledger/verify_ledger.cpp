#include <osvm/ledger/ledger_export.hpp>
#include <osvm/ledger/verify.hpp>

#include <atomic>
#include <thread>

namespace osvm::ledger {
namespace {

// The first entry that does not follow, or nothing.
std::optional<std::size_t> first_break(const block& b, const solana::hash& start, unsigned threads) {
  const std::size_t count = b.entries().size();
  const auto parts = split_by_hashes(b, threads);
  std::atomic<std::size_t> bad = count;
  const auto part = [&](std::size_t i) {
    const auto at = verify_poh(b, start, parts[i], parts[i + 1]);
    for (auto seen = bad.load(); at < parts[i + 1] && at < seen && !bad.compare_exchange_weak(seen, at);) {
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i + 1 < parts.size(); ++i) helpers.emplace_back(part, i);
    part(0);
  }
  return bad < count ? std::optional(bad.load()) : std::nullopt;
}

class verifier {
 public:
  verifier(const blockstore& store, const verify_ledger_options& options)
      : store_(store), options_(options) {}

  void check(const slot_meta& m) {
    slot_ = m.slot;
    const auto b = store_.read_block(m.slot);
    if (!b) return problem(b.error().to_string());
    if (is_hash_only(**b)) return;  // a parent's hash, not a block
    ++out_.blocks;
    out_.entries += (*b)->entries().size();
    out_.transactions += (*b)->transactions().size();
    check_history(m, **b);
    for (const auto& tx : (*b)->transactions()) check_transaction(tx);
  }
  ledger_check& result() noexcept { return out_; }

 private:
  void problem(std::string what) {
    ++out_.problems;
    if (options_.found) options_.found({slot_, std::move(what)});
  }
  void check_history(const slot_meta& m, const block& b) {
    if (!has_proof(b)) {
      ++out_.unproven;
      return;
    }
    if (!m.parent || m.slot == 0) return;
    const auto start = store_.blockhash(*m.parent);
    if (!start) return;  // the ledger begins here
    if (const auto at = first_break(b, *start, std::max(1U, options_.threads)))
      problem("entry " + std::to_string(*at) + " does not follow from the one before");
  }
  void check_transaction(const solana::transaction_view& tx) {
    if (!solana::sanitize(tx) || !solana::verify_signatures(tx))
      return problem("a transaction whose signatures do not hold");
    const auto status = store_.status(tx.signatures[0], slot_);
    if (!status || !*status) problem("no status for " + tx.signatures[0].to_string());
  }

  const blockstore& store_;
  const verify_ledger_options& options_;
  slot_t slot_ = 0;
  ledger_check out_;
};

}  // namespace

result<ledger_check> verify_ledger(const blockstore& store, const verify_ledger_options& options) {
  verifier v(store, options);
  std::uint64_t done = 0;
  OSVM_CHECK(store.each_meta(options.from, [&](const slot_meta& m) {
    if (m.slot > options.to) return false;
    if (options.progress && !options.progress(m.slot, done++)) {
      v.result().stopped_at = m.slot;
      return false;
    }
    if (m.full()) v.check(m);
    return true;
  }));
  return v.result();
}

}  // namespace osvm::ledger
