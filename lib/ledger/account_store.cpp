#include <osvm/ledger/account_store.hpp>
#include <osvm/ledger/error.hpp>
#include <osvm/solana/programs.hpp>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <unordered_map>

#include "account_files.hpp"

namespace osvm::ledger {

namespace fs = std::filesystem;

struct account_store::impl {
  account_limits limits;
  std::deque<std::string> storages;  // what the views lie in
  std::size_t bytes = 0;
  std::unordered_map<solana::pubkey, stored_account, solana::bytes_hasher> accounts;
  std::optional<bank_fields> bank;
  archive_slots archives;

  result<bytes_view> keep(std::string&& storage) {
    bytes += storage.size();
    if (bytes > limits.max_bytes)
      return error(osvm::errc::limit_exceeded, "more accounts than " +
                                                   std::to_string(limits.max_bytes >> 20) +
                                                   " MiB: too many to hold in memory");
    storages.push_back(std::move(storage));
    return as_bytes(storages.back());
  }
  // The higher slot wins; in one slot the later record.
  void put(const stored_account& a) {
    auto [at, added] = accounts.try_emplace(a.address, a);
    if (!added && a.slot >= at->second.slot) at->second = a;
  }
  result<> add_storage(slot_t slot, std::string&& storage) {
    OSVM_TRY(const auto view, keep(std::move(storage)));
    return each_record(view, slot, [this](const stored_record& r) {
      put({r.address, {r.owner, r.lamports, r.rent_epoch, r.executable, r.data}, r.slot});
    });
  }
  result<> add_snapshot(const std::string& path) {
    return read_snapshot(
        path, {.manifest = [this, &path](snapshot_manifest&& m) -> result<> {
                 auto& newest = is_incremental_archive(path) ? archives.incremental : archives.full;
                 newest = std::max(newest.value_or(0), m.bank.slot);
                 if (!bank || m.bank.slot >= bank->slot) bank = std::move(m.bank);
                 return {};
               },
               .storage = [this](slot_t slot, std::string&& s) { return add_storage(slot, std::move(s)); }});
  }
  result<> add_dump(const std::string& path) {
    OSVM_TRY(auto dumped, read_account_dump(path, limits.max_json));
    for (auto& d : dumped) {
      OSVM_TRY(const auto data, keep(std::move(d.data)));
      d.account.view.data = data;
      put(d.account);
    }
    return {};
  }
  result<> add(const std::string& path) {
    std::error_code failed;
    if (fs::is_directory(path, failed)) {
      OSVM_TRY(const auto files, account_files_in(path));
      for (const auto& f : files) {
        const auto done = add(f);  // a ledger's folder holds other JSON too: keypairs
        if (!done && !(f.ends_with(".json") && done.error().code == osvm::errc::malformed)) return done;
      }
      return {};
    }
    if (path.ends_with(".json")) return add_dump(path);
    if (path.find(".tar") != std::string::npos) return add_snapshot(path);
    if (!fs::exists(path, failed)) return error(osvm::errc::not_found, path);
    return error(osvm::errc::unsupported, path + ": neither a .tar snapshot nor a .json account");
  }
};

namespace {

std::vector<const stored_account*> sorted(std::vector<const stored_account*> list) {
  std::ranges::sort(list, {}, [](const auto* a) { return a->address; });
  return list;
}

}  // namespace

result<account_store> account_store::load(const std::vector<std::string>& paths, account_limits limits) {
  auto i = std::make_unique<impl>();
  i->limits = limits;
  for (const auto& p : paths) OSVM_CHECK(i->add(p));
  std::erase_if(i->accounts, [](const auto& a) { return a.second.view.lamports == 0; });  // deleted ones
  return account_store(std::move(i));
}

account_store::account_store(std::unique_ptr<impl> i) noexcept : impl_(std::move(i)) {}
account_store::account_store(account_store&&) noexcept = default;
account_store& account_store::operator=(account_store&&) noexcept = default;
account_store::~account_store() = default;

const stored_account* account_store::find(const solana::pubkey& address) const noexcept {
  const auto at = impl_->accounts.find(address);
  return at == impl_->accounts.end() ? nullptr : &at->second;
}

std::vector<const stored_account*> account_store::owned_by(const solana::pubkey& owner) const {
  std::vector<const stored_account*> out;
  for (const auto& [address, a] : impl_->accounts)
    if (a.view.owner == owner) out.push_back(&a);
  return sorted(std::move(out));
}

std::vector<const stored_account*> account_store::all() const {
  std::vector<const stored_account*> out;
  out.reserve(size());
  for (const auto& [address, a] : impl_->accounts) out.push_back(&a);
  return sorted(std::move(out));
}

std::size_t account_store::size() const noexcept {
  return impl_->accounts.size();
}
const bank_fields* account_store::bank() const noexcept {
  return impl_->bank ? &*impl_->bank : nullptr;
}
account_store::archive_slots account_store::archives() const noexcept {
  return impl_->archives;
}
slot_t account_store::slot() const noexcept {
  return impl_->bank ? impl_->bank->slot : 0;
}

std::int64_t account_store::unix_timestamp() const noexcept {
  constexpr std::size_t at = 32;
  const auto* clock = find(solana::programs::sysvar_clock);
  std::int64_t v = 0;
  if (clock && clock->view.data.size() >= at + sizeof v)
    std::memcpy(&v, clock->view.data.data() + at, sizeof v);
  return v;
}

std::optional<solana::token_mint> account_store::mint(const solana::pubkey& address) const {
  const auto* a = find(address);
  if (!a && address == solana::programs::native_mint) return solana::token_mint{.supply = 0, .decimals = 9};
  if (!a || !solana::is_token_program(a->view.owner)) return std::nullopt;
  return solana::read_token_mint(a->view.data);
}

solana::account_context account_store::context_of(const stored_account& account) const {
  solana::account_context out;
  if (!solana::is_token_program(account.view.owner)) return out;
  if (const auto held = solana::read_token_holding(account.view.data)) {
    out.mint = mint(held->mint);
    out.unix_timestamp = unix_timestamp();
  }
  return out;
}

}  // namespace osvm::ledger
