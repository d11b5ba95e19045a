// Which files of a folder hold accounts, and accounts as the Solana CLI dumps them.
#pragma once

#include <osvm/ledger/account_store.hpp>

namespace osvm::ledger {

result<std::vector<dumped_account>> read_account_dump(const std::string& path, std::size_t max_size);

// Dumped accounts, then the newest full archive, then the newest incremental one that stands on it.
result<std::vector<std::string>> account_files_in(const std::string& folder);

// By its name.
bool is_incremental_archive(const std::string& path);

}  // namespace osvm::ledger
