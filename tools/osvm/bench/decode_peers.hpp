// The same decoding by what people use otherwise: solders (Python over Rust) and kit's codecs (JavaScript).
#pragma once

#include <string>

#include "report.hpp"

namespace osvm::cli::bench {

struct decode_peers {
  std::string python{};        // an interpreter that has solders; empty: not measured
  std::string node_modules{};  // a folder that has @solana/kit; empty: not measured
};
// Rows peer.NAME.WHAT in ns; a peer that does not run here becomes a remark that says so.
void measure_decode_peers(report& out, const decode_peers& peers);

}  // namespace osvm::cli::bench
