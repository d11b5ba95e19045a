// What reading ledgers and decoding accounts costs, in this process.
#pragma once

#include <optional>

#include "report.hpp"

namespace osvm::cli::bench {

// base58 and token accounts; every result is compared with the known one.
result<void> measure_decode(report& out);
// Opening `folder`, then every transaction and address that its newest slots name; a side index of it is made
// below `scratch`.
result<void> measure_ledger(report& out, const std::string& folder, const std::string& scratch);
// The largest of recorded blocks as JSON, after they were made a ledger below `scratch`. `slot` as in
// ledger::source_options.
result<void> measure_blocks(report& out, const std::string& file, std::optional<std::uint64_t> slot,
                            const std::string& scratch);
// Opening a ledger of about `tables` table files, made below `scratch`.
result<void> measure_many_tables(report& out, const std::string& scratch, std::uint64_t tables);
// The data shreds of one slot: a folder with files d0000, d0001…
result<void> measure_deshred(report& out, const std::string& folder);

}  // namespace osvm::cli::bench
