// A transaction's wire bytes out of its parts, as JSON and protobuf take it apart.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/solana/transaction.hpp>

#include <string>
#include <vector>

namespace osvm::ledger {

struct instruction_parts {
  std::uint64_t program_index = 0;
  std::string accounts{}, data{};
};
struct lookup_parts {
  std::string table{}, writable{}, readonly{};
};
struct transaction_parts {
  std::vector<std::string> signatures{};  // 64 bytes each
  bool versioned = false;                 // version 0; else legacy
  std::uint64_t required_signatures = 0, readonly_signed = 0, readonly_unsigned = 0;
  std::vector<std::string> keys{};  // 32 bytes each
  std::string blockhash{};
  std::vector<instruction_parts> instructions{};
  std::vector<lookup_parts> lookups{};
};

// errc::malformed where a part has no place on the wire.
result<std::string> build_wire(const transaction_parts& parts);
// errc::unsupported for versions above 0.
result<transaction_parts> take_apart(bytes_view wire);

}  // namespace osvm::ledger
