#include <osvm/core/text.hpp>
#include <osvm/ledger/error.hpp>
#include <osvm/ledger/lt_hash.hpp>

#include <filesystem>
#include <unordered_map>

namespace osvm::ledger {
namespace {

// "…-<slot>-<hash>.tar.zst"
std::optional<solana::hash> hash_in_name(const std::string& path) {
  auto name = std::filesystem::path(path).filename().string();
  name = name.substr(0, name.find('.'));
  const auto dash = name.rfind('-');
  if (dash == std::string::npos) return std::nullopt;
  const auto hash = solana::hash::parse(std::string_view(name).substr(dash + 1));
  return hash ? std::optional(*hash) : std::nullopt;
}

class verifier {
 public:
  explicit verifier(const snapshot_limits& limits) : limits_(limits) {}

  // Which record of each account counts: of the highest slot, in one slot the last.
  result<> index(const std::string& path) {
    return each(path, [this](const stored_record& r, std::uint64_t number) {
      auto [at, added] = newest_.try_emplace(r.address, place{r.slot, number});
      if (!added && r.slot >= at->second.slot) at->second = {r.slot, number};
    });
  }
  result<> sum(const std::string& path) {
    return each(path, [this](const stored_record& r, std::uint64_t number) {
      const auto at = newest_.find(r.address);
      if (r.lamports == 0 || at == newest_.end() || at->second.number != number) return;
      out_.computed.add(r);
      ++out_.accounts;
      out_.lamports += r.lamports;
    });
  }
  void begin_again() noexcept { number_ = 0; }
  snapshot_check finish(const std::string& newest) {
    out_.slot = manifest_.bank.slot;
    out_.capitalization = manifest_.bank.capitalization;
    out_.manifest_has_hash = manifest_.accounts_hash.has_value();
    out_.manifest_agrees = out_.manifest_has_hash && *manifest_.accounts_hash == out_.computed.sums;
    out_.named = hash_in_name(newest);
    out_.name_agrees = out_.named && *out_.named == out_.computed.checksum();
    return out_;
  }
  const snapshot_manifest& manifest() const noexcept { return manifest_; }

 private:
  struct place {
    slot_t slot = 0;
    std::uint64_t number = 0;  // of the record, counted over all archives
  };
  template <class F>
  result<> each(const std::string& path, F&& visit) {
    const snapshot_visitor v{.manifest = [this](snapshot_manifest&& m) -> result<> {
                               return manifest_ = std::move(m), result<>();
                             },
                             .storage = [&](slot_t slot, std::string&& bytes) -> result<> {
                               return each_record(as_bytes(bytes), slot,
                                                  [&](const stored_record& r) { visit(r, ++number_); });
                             }};
    return read_snapshot(path, v, limits_);
  }

  const snapshot_limits& limits_;
  snapshot_manifest manifest_;
  std::unordered_map<solana::pubkey, place, solana::bytes_hasher> newest_;
  std::uint64_t number_ = 0;
  snapshot_check out_;
};

}  // namespace

result<snapshot_check> verify_snapshot(const std::string& path, const verify_options& options) {
  verifier v(options.limits);
  OSVM_CHECK(v.index(path));
  const auto full_slot = v.manifest().bank.slot;
  if (!options.incremental.empty()) {
    OSVM_CHECK(v.index(options.incremental));
    if (v.manifest().bank.slot < full_slot)
      return error(osvm::errc::invalid_argument, "the incremental archive is older than the full one");
  }
  v.begin_again();
  OSVM_CHECK(v.sum(path));
  if (!options.incremental.empty()) OSVM_CHECK(v.sum(options.incremental));
  return v.finish(options.incremental.empty() ? path : options.incremental);
}

}  // namespace osvm::ledger
